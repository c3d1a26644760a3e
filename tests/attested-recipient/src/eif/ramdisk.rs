//! The two ramdisks of an image: the boot ramdisk and the application ramdisk. The kernel unpacks both
//! into the same root.

use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use super::cpio::{Archive, ArchiveError, ArchivePath};

/// Mount points and writable directories of the enclave, with permissions.
const DIRECTORIES: [(&str, u32); 5] =
    [("dev", 0o755), ("proc", 0o755), ("run", 0o755), ("sys", 0o755), ("tmp", 0o1777)];
/// Maximum number of modules. The names of modules contain a number of two digits.
const MAX_MODULES: usize = 100;
/// Alignment of an uncompressed archive, in bytes. The kernel searches for the next archive only at
/// multiples of this length.
const ALIGNMENT: usize = 4;
const INIT: &str = "init";
const CMD: &str = "cmd";

/// The reason why a ramdisk cannot be created.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum RamdiskError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the ramdisk: {0}")]
    Name(String),
    #[error("{0} modules were given: at most {MAX_MODULES} are supported")]
    Modules(usize),
    #[error(
        "the ramdisk has {0} bytes, which is not a multiple of {ALIGNMENT}: append zeros, so that \
         the kernel finds the next archive"
    )]
    Alignment(usize),
}

/// A kernel module: a file whose name ends in `.ko`.
#[derive(Clone, Debug)]
pub(crate) struct KernelModule {
    pub(crate) path: PathBuf,
    name: String,
}

impl FromStr for KernelModule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| name.ends_with(".ko"));
        let name = name
            .ok_or("a module's file name must end in .ko: decompress the module first")?
            .to_owned();
        Ok(Self { path, name })
    }
}

/// Returns the boot ramdisk: empty directories, and the modules. The number in a module's name is
/// its position in the order of loading.
pub(crate) fn boot_ramdisk(modules: Vec<(KernelModule, Vec<u8>)>) -> Result<Vec<u8>, RamdiskError> {
    if modules.len() > MAX_MODULES {
        return Err(RamdiskError::Modules(modules.len()));
    }
    let mut archive = Archive::default();
    for (directory, permissions) in DIRECTORIES {
        archive.directory(name(directory)?, permissions)?;
    }
    for (number, (module, content)) in modules.into_iter().enumerate() {
        let name = name(&format!("modules/{number:02}-{}", module.name))?;
        archive.file(name, 0o644, content)?;
    }
    Ok(archive.to_bytes())
}

/// Returns a prebuilt ramdisk unchanged. Returns an error if its length is not aligned.
pub(crate) fn aligned_ramdisk(ramdisk: Vec<u8>) -> Result<Vec<u8>, RamdiskError> {
    if ramdisk.len().is_multiple_of(ALIGNMENT) {
        Ok(ramdisk)
    } else {
        Err(RamdiskError::Alignment(ramdisk.len()))
    }
}

/// Returns the application ramdisk: `/init` (the enclave), `/cmd` (its arguments), executable programs,
/// and other files.
pub(crate) fn application_ramdisk(
    enclave: Vec<u8>,
    arguments: &[String],
    programs: Vec<(ArchivePath, Vec<u8>)>,
    files: Vec<(ArchivePath, Vec<u8>)>,
) -> Result<Vec<u8>, RamdiskError> {
    let mut archive = Archive::default();
    archive.file(name(INIT)?, 0o755, enclave)?;
    archive.file(name(CMD)?, 0o644, command(arguments).into_bytes())?;
    for (name, content) in programs {
        archive.file(name, 0o755, content)?;
    }
    for (name, content) in files {
        archive.file(name, 0o644, content)?;
    }
    Ok(archive.to_bytes())
}

/// Returns the content of `/cmd` in the form of `nitro-cli`: the program's name and each argument, one
/// per line.
fn command(arguments: &[String]) -> String {
    let program = format!("/{INIT}");
    let lines = std::iter::once(program.as_str()).chain(arguments.iter().map(String::as_str));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn name(text: &str) -> Result<ArchivePath, RamdiskError> {
    text.parse().map_err(RamdiskError::Name)
}

#[cfg(test)]
mod tests {
    use super::super::cpio::tests::list;
    use super::*;

    fn listed(ramdisk: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        list(ramdisk)
            .into_iter()
            .map(|entry| (entry.name.clone(), entry.mode(), entry.content))
            .collect()
    }

    fn row(name: &str, mode: u32, content: &[u8]) -> (String, u32, Vec<u8>) {
        (name.to_owned(), mode, content.to_vec())
    }

    #[test]
    fn boot_ramdisk_has_directories_and_numbered_modules() {
        let modules = ["/a/vsock.ko", "b/nsm.ko"].map(|path| {
            let module: KernelModule = path.parse().unwrap();
            (module, path.as_bytes().to_vec())
        });
        let ramdisk = boot_ramdisk(modules.into()).unwrap();
        let expected = [
            row("dev", 0o040_755, b""),
            row("modules", 0o040_755, b""),
            row("modules/00-vsock.ko", 0o100_644, b"/a/vsock.ko"),
            row("modules/01-nsm.ko", 0o100_644, b"b/nsm.ko"),
            row("proc", 0o040_755, b""),
            row("run", 0o040_755, b""),
            row("sys", 0o040_755, b""),
            row("tmp", 0o041_777, b""),
            row("TRAILER!!!", 0, b""),
        ];
        assert_eq!(listed(&ramdisk), expected);
        assert_eq!(ramdisk.len() % 512, 0);
    }

    #[test]
    fn rejects_compressed_modules_and_more_than_100() {
        for path in ["nsm.ko.xz", "nsm", "", "nsm.ko/.."] {
            let error = path.parse::<KernelModule>().unwrap_err();
            assert!(error.contains("decompress"), "{path}: {error}");
        }
        let module: KernelModule = "nsm.ko".parse().unwrap();
        let modules = |count| vec![(module.clone(), Vec::new()); count];
        assert!(boot_ramdisk(modules(100)).is_ok());
        assert_eq!(boot_ramdisk(modules(101)), Err(RamdiskError::Modules(101)));
    }

    #[test]
    fn application_ramdisk_has_init_cmd_programs_and_files() {
        let arguments = ["--listen".to_owned(), "vsock:1:2".to_owned(), String::new()];
        let programs = vec![("lib64/ld.so.2".parse().unwrap(), b"loader".to_vec())];
        let files = vec![("etc/enclave.toml".parse().unwrap(), b"toml".to_vec())];
        let ramdisk = application_ramdisk(b"ELF".to_vec(), &arguments, programs, files).unwrap();
        let expected = [
            row("cmd", 0o100_644, b"/init\n--listen\nvsock:1:2\n\n"),
            row("etc", 0o040_755, b""),
            row("etc/enclave.toml", 0o100_644, b"toml"),
            row("init", 0o100_755, b"ELF"),
            row("lib64", 0o040_755, b""),
            row("lib64/ld.so.2", 0o100_755, b"loader"),
            row("TRAILER!!!", 0, b""),
        ];
        assert_eq!(listed(&ramdisk), expected);
    }

    #[test]
    fn rejects_file_or_program_named_init() {
        let init = || vec![("init".parse().unwrap(), Vec::new())];
        let twice = ArchiveError::DuplicateName("init".parse().unwrap());
        for (programs, files) in [(init(), Vec::new()), (Vec::new(), init())] {
            assert_eq!(
                application_ramdisk(Vec::new(), &[], programs, files),
                Err(twice.clone().into())
            );
        }
    }

    #[test]
    fn accepts_only_aligned_prebuilt_ramdisk() {
        assert_eq!(aligned_ramdisk(vec![7; 8]), Ok(vec![7; 8]));
        assert_eq!(aligned_ramdisk(vec![7; 9]), Err(RamdiskError::Alignment(9)));
    }
}
