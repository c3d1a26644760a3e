//! The subcommand `build-eif`.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf, absolute};
use std::str::FromStr;

use attestation::time::UnixMillis;
use clap::Args;
use serde_json::{Value, json};

use super::atomic_file::AtomicFile;
use super::bounded_read::read_at_most;
use super::error::CommandError;
use crate::eif::{
    Architecture, ArchivePath, BuildMetadata, Image, KernelModule, Measurements, Metadata,
    aligned_ramdisk, application_ramdisk, boot_ramdisk,
};

/// Maximum length of an input file, in bytes. An image cannot contain a file of this length. The limit
/// stops the read of a device that has no end.
const MAX_INPUT_LENGTH: u64 = 1024 * 1024 * 1024;
const IMAGE_NAME: &str = "attested-random";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Environment variable with the build time, in seconds since 1970:
/// <https://reproducible-builds.org/specs/source-date-epoch/>.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// The last second of the year 9999, the latest that RFC 3339 can represent.
const LAST_SECOND: u64 = 253_402_300_799;

/// Build an enclave image (EIF) from a kernel and the enclave's binary, and write the image's
/// measurements. The same inputs produce the same bytes. The environment variable SOURCE_DATE_EPOCH is
/// one of the inputs.
#[derive(Debug, Args)]
pub(super) struct BuildEif {
    /// Kernel: a bzImage, or an Image for aarch64.
    #[arg(long, value_name = "FILE")]
    kernel: PathBuf,
    /// Command line of the kernel.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    cmdline: String,
    /// Uncompressed kernel module for /modules; may be repeated. The kernel loads the modules in
    /// this order.
    #[arg(long, value_name = "FILE")]
    module: Vec<KernelModule>,
    /// Prebuilt first ramdisk. It replaces the ramdisk that the command builds from the modules.
    #[arg(long, value_name = "FILE", conflicts_with = "module")]
    ramdisk: Option<PathBuf>,
    /// Binary of the enclave, which becomes /init.
    #[arg(long, value_name = "FILE")]
    enclave: PathBuf,
    /// Argument of the enclave; may be repeated.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = parse_argument)]
    argument: Vec<String>,
    /// Executable file in the image, such as lib64/ld-linux-x86-64.so.2=PATH or a library; may be
    /// repeated.
    #[arg(long, value_name = "NAME=PATH")]
    program: Vec<NamedFile>,
    /// Other file in the image, such as etc/enclave.toml=enclave.toml; may be repeated.
    #[arg(long, value_name = "NAME=PATH")]
    file: Vec<NamedFile>,
    /// Architecture of the kernel, x86_64 or aarch64; the default is this machine's.
    #[arg(long)]
    arch: Option<Architecture>,
    /// Kernel version, for the metadata.
    #[arg(long, value_name = "TEXT", default_value = "unknown")]
    kernel_version: String,
    /// Commit of the enclave's source, for the metadata and the file of measurements.
    #[arg(long, value_name = "TEXT")]
    commit: String,
    /// Toolchain that built the enclave, for the metadata and the file of measurements.
    #[arg(long, value_name = "TEXT")]
    toolchain: String,
    /// File to write the image to.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// File to write the measurements to, as JSON: PCR0, PCR1, PCR2, commit, toolchain.
    #[arg(long, value_name = "FILE")]
    pcrs: PathBuf,
}

impl BuildEif {
    pub(super) fn run(self) -> Result<(), CommandError> {
        // `./NAME` and `NAME` are the same file.
        if absolute(&self.out).ok() == absolute(&self.pcrs).ok() {
            return Err(CommandError::Usage(
                "--out and --pcrs name the same file: choose two files".to_owned(),
            ));
        }
        let architecture = self.arch.or_else(Architecture::host).ok_or_else(|| {
            CommandError::Usage(
                "Nitro Enclaves do not support this machine's architecture: choose the target \
                 with --arch x86_64 or --arch aarch64"
                    .to_owned(),
            )
        })?;
        let metadata = self.metadata(build_time(env::var_os(SOURCE_DATE_EPOCH).as_deref())?);
        let kernel = read_input(&self.kernel)?;
        let image = Image {
            architecture,
            kernel: &kernel,
            cmdline: &self.cmdline,
            bootstrap: &self.bootstrap()?,
            application: &self.application()?,
            metadata: &metadata,
        };
        let pcrs = self.pcrs_json(&image.measurements());
        // The image may contain a secret configuration, so only its owner may read the image.
        let image = match self.file.is_empty() {
            true => AtomicFile::write(&self.out, |mut out| image.write(&mut out))?,
            false => AtomicFile::write_private(&self.out, |mut out| image.write(&mut out))?,
        };
        let pcrs = AtomicFile::write(&self.pcrs, |out| writeln!(out, "{pcrs:#}"))?;
        image.commit()?;
        pcrs.commit()
    }

    fn bootstrap(&self) -> Result<Vec<u8>, CommandError> {
        if let Some(path) = &self.ramdisk {
            return Ok(aligned_ramdisk(read_input(path)?)?);
        }
        let read = |module: &KernelModule| Ok((module.clone(), read_input(&module.path)?));
        Ok(boot_ramdisk(self.module.iter().map(read).collect::<Result<_, CommandError>>()?)?)
    }

    fn application(&self) -> Result<Vec<u8>, CommandError> {
        let read = |file: &NamedFile| Ok((file.name.clone(), read_input(&file.path)?));
        let read_all =
            |files: &[NamedFile]| files.iter().map(read).collect::<Result<_, CommandError>>();
        let (programs, files) = (read_all(&self.program)?, read_all(&self.file)?);
        Ok(application_ramdisk(read_input(&self.enclave)?, &self.argument, programs, files)?)
    }

    fn metadata(&self, build_time: UnixMillis) -> Metadata {
        Metadata {
            image_name: IMAGE_NAME.to_owned(),
            image_version: VERSION.to_owned(),
            build_metadata: BuildMetadata {
                build_time: build_time.to_string(),
                build_tool: IMAGE_NAME.to_owned(),
                build_tool_version: VERSION.to_owned(),
                operating_system: "Linux".to_owned(),
                kernel_version: self.kernel_version.clone(),
            },
            docker_info: json!({}),
            custom_metadata: json!({ "commit": self.commit, "toolchain": self.toolchain }),
        }
    }

    fn pcrs_json(&self, measurements: &Measurements) -> Value {
        let mut json = measurements.to_json();
        json.insert("commit".to_owned(), self.commit.clone().into());
        json.insert("toolchain".to_owned(), self.toolchain.clone().into());
        Value::Object(json)
    }
}

/// An option value `NAME=PATH`: the name of a file in the enclave, and its path on this machine.
#[derive(Clone, Debug)]
struct NamedFile {
    name: ArchivePath,
    path: PathBuf,
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text
            .split_once('=')
            .ok_or("expected NAME=PATH, for example etc/enclave.toml=enclave.toml")?;
        Ok(Self { name: name.parse()?, path: path.into() })
    }
}

/// Parses a line of `/cmd`.
fn parse_argument(text: &str) -> Result<String, String> {
    if text.contains('\n') {
        return Err(
            "an argument must not contain a newline: each argument is one line of /cmd".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn build_time(epoch: Option<&OsStr>) -> Result<UnixMillis, CommandError> {
    let Some(epoch) = epoch else { return Ok(UnixMillis::new(0)) };
    epoch
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds <= LAST_SECOND)
        .map(UnixMillis::from_secs)
        .ok_or_else(|| {
            CommandError::Usage(format!(
                "{SOURCE_DATE_EPOCH} is {epoch:?}: expected seconds since 1970, at most the end \
                 of the year 9999"
            ))
        })
}

fn read_input(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_at_most(MAX_INPUT_LENGTH, path)
}
