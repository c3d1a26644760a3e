//! File systems, kernel modules, and the source of the kernel's random number generator.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};

use super::error::{InitError, kernel_error};

/// Name under which the NSM driver registers with the kernel's random number generator.
const NSM_HWRNG: &str = "nsm-hwrng";

/// File of a switch of the kernel. After the value 1 is written, the kernel loads no more modules, and the
/// value cannot change again. <https://docs.kernel.org/admin-guide/sysctl/kernel.html#modules-disabled>
const MODULES_DISABLED: &str = "/proc/sys/kernel/modules_disabled";

/// Mounts the file systems that this program and its runtime use.
pub(super) fn mount_all() -> Result<(), InitError> {
    let harmless = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let without_devices = harmless | MsFlags::MS_NODEV;
    for (kind, target, flags, options) in [
        ("devtmpfs", "/dev", harmless, "mode=0755"),
        ("proc", "/proc", without_devices, ""),
        ("sysfs", "/sys", without_devices, ""),
        ("tmpfs", "/run", without_devices, "mode=0755"),
        ("tmpfs", "/tmp", without_devices, "mode=1777"),
    ] {
        let mounted = fs::create_dir_all(target).and_then(|()| {
            match mount(Some(kind), target, Some(kind), flags, Some(options)) {
                // Already mounted by the kernel.
                Ok(()) | Err(Errno::EBUSY) => Ok(()),
                Err(error) => Err(error.into()),
            }
        });
        mounted.map_err(kernel_error(|| format!("cannot mount {kind} on {target}")))?;
    }
    Ok(())
}

/// Loads the modules in `folder` in the order of their names, and then disables the loading of modules.
/// Returns the number of loaded modules, which is zero if `folder` does not exist.
pub(super) fn load_modules(folder: &Path) -> Result<usize, InitError> {
    let names = module_names(folder)
        .map_err(kernel_error(|| format!("cannot read {}", folder.display())))?;
    for name in &names {
        let path = folder.join(name);
        let loaded = File::open(&path).and_then(|file| {
            match finit_module(file, c"", ModuleInitFlags::empty()) {
                // The module is built into the kernel.
                Ok(()) | Err(Errno::EEXIST) => Ok(()),
                Err(error) => Err(error.into()),
            }
        });
        loaded.map_err(kernel_error(|| format!("cannot load {}", path.display())))?;
    }
    match fs::write(MODULES_DISABLED, "1") {
        Ok(()) => Ok(names.len()),
        // The kernel was built without modules.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(names.len()),
        Err(error) => Err(kernel_error(|| format!("cannot write {MODULES_DISABLED}"))(error)),
    }
}

/// Returns the file names in `folder`, sorted by their bytes.
fn module_names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    Ok(names)
}

/// Selects the NSM as the source of the kernel's random number generator, if the kernel lists the NSM as
/// available. The start-up checks of the platform verify the source later.
pub(super) fn select_nsm_hwrng(hw_random: &Path) -> Result<(), InitError> {
    let read = |name| fs::read_to_string(hw_random.join(name)).unwrap_or_default();
    let is_available = read("rng_available").split_ascii_whitespace().any(|rng| rng == NSM_HWRNG);
    if !is_available || read("rng_current").trim_end() == NSM_HWRNG {
        return Ok(());
    }
    let path = hw_random.join("rng_current");
    fs::write(&path, NSM_HWRNG)
        .map_err(kernel_error(|| format!("cannot write {NSM_HWRNG} to {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::super::folder_with;
    use super::*;

    #[test]
    fn module_names_are_sorted() {
        let (_folder, path) = folder_with(&[("01-b.ko", ""), ("10-c.ko", ""), ("00-z.ko", "")]);
        assert_eq!(module_names(&path).unwrap(), ["00-z.ko", "01-b.ko", "10-c.ko"]);
        assert!(module_names(&path.join("none")).unwrap().is_empty());
    }

    #[test]
    fn selects_nsm_hwrng_if_available() {
        let current = |available, current| {
            let (_folder, path) =
                folder_with(&[("rng_available", available), ("rng_current", current)]);
            select_nsm_hwrng(&path).unwrap();
            fs::read_to_string(path.join("rng_current")).unwrap()
        };
        assert_eq!(current("virtio_rng.0 nsm-hwrng\n", "virtio_rng.0\n"), "nsm-hwrng");
        assert_eq!(current("virtio_rng.0 nsm-hwrng\n", "nsm-hwrng\n"), "nsm-hwrng\n");
        assert_eq!(current("virtio_rng.0 nsm-hwrng2\n", "virtio_rng.0\n"), "virtio_rng.0\n");
        let (_folder, path) = folder_with(&[]);
        select_nsm_hwrng(&path).unwrap();
    }
}
