//! The checks of an enclave before its service starts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attestation::{DebugMode, PCR_LENGTH};
use thiserror::Error;

use super::PlatformSettings;

/// Path in sysfs of the current clocksource. <https://docs.kernel.org/timers/timekeeping.html>
const CLOCKSOURCE: &str = "devices/system/clocksource/clocksource0/current_clocksource";

/// Path in sysfs of the source of the kernel's random number generator.
/// <https://docs.kernel.org/admin-guide/hw_random.html>
const RNG_CURRENT: &str = "class/misc/hw_random/rng_current";

/// Name under which the kernel's `nsm` driver registers the NSM.
const NSM_HWRNG: &str = "nsm-hwrng";

/// The reason why the machine must not run the service.
#[derive(Debug, Error)]
pub enum PlatformError {
    /// A file of the kernel cannot be read.
    #[error("cannot read {}: {error}; the kernel of a Nitro Enclave has this file", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the file system.
        error: io::Error,
    },
    /// The clocksource is not accepted.
    #[error(
        "the clocksource {found:?} is not one of the accepted clocksources {accepted:?}: set clocksource= on \
         the kernel's command line to an accepted clocksource; or, if the rate of {found:?} can be trusted, \
         set clocksources = [{found:?}] under [platform]"
    )]
    Clocksource {
        /// Current clocksource.
        found: String,
        /// Accepted clocksources.
        accepted: Vec<String>,
    },
    /// The NSM is not the source of the kernel's random number generator.
    #[error(
        "rng_current is {found:?} instead of {NSM_HWRNG:?}: use a kernel with the nsm driver; if \
         rng_available lists several sources, write {NSM_HWRNG} to /sys/{RNG_CURRENT} before this service \
         starts"
    )]
    Rng {
        /// Current source of the random number generator.
        found: String,
    },
    /// The kernel's random pool does not accept random bytes of the NSM.
    #[error(
        "cannot mix random bytes of the NSM into {}: {error}; the keys of this service need them: run the \
         service as root (with CAP_SYS_ADMIN), and with devtmpfs on /dev",
        path.display()
    )]
    RandomPool {
        /// Path of the random pool.
        path: PathBuf,
        /// Error of the kernel.
        error: io::Error,
    },
    /// PCR0 does not have 48 bytes.
    #[error("the NSM returned a PCR0 of {length} bytes instead of {PCR_LENGTH}")]
    PcrLength {
        /// Length of PCR0, in bytes.
        length: usize,
    },
    /// The enclave runs in debug mode.
    #[error(
        "PCR0 is zero, so this enclave runs in debug mode: the parent instance can read the console, and \
         attestation documents identify no image; run the enclave without --debug-mode, or set \
         allow_debug = true under [recipient] for development"
    )]
    DebugMode,
}

/// Checks the clocksource, and the source of the kernel's random number generator, under `sysfs`.
pub(super) fn check_kernel(sysfs: &Path, settings: &PlatformSettings) -> Result<(), PlatformError> {
    let found = read(sysfs.join(CLOCKSOURCE))?;
    if !settings.clocksources.contains(&found) {
        let accepted = settings.clocksources.clone();
        return Err(PlatformError::Clocksource { found, accepted });
    }
    match read(sysfs.join(RNG_CURRENT))? {
        found if found == NSM_HWRNG => Ok(()),
        found => Err(PlatformError::Rng { found }),
    }
}

/// Checks PCR0, which is zero in debug mode.
pub(crate) fn check_pcr0(pcr0: &[u8], debug: DebugMode) -> Result<(), PlatformError> {
    match (pcr0.len(), debug) {
        (PCR_LENGTH, DebugMode::Allow) => Ok(()),
        (PCR_LENGTH, DebugMode::Reject) if pcr0.iter().any(|byte| *byte != 0) => Ok(()),
        (PCR_LENGTH, DebugMode::Reject) => Err(PlatformError::DebugMode),
        (length, _) => Err(PlatformError::PcrLength { length }),
    }
}

fn read(path: PathBuf) -> Result<String, PlatformError> {
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(error) => Err(PlatformError::Read { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a kernel with these values.
    fn checked(clocksource: &str, rng: &str, accepted: &[&str]) -> Result<(), PlatformError> {
        let sysfs = tempfile::tempdir().unwrap();
        for (path, text) in [(CLOCKSOURCE, clocksource), (RNG_CURRENT, rng)] {
            let path = sysfs.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let clocksources = accepted.iter().map(|name| (*name).to_owned()).collect();
        check_kernel(sysfs.path(), &PlatformSettings { clocksources })
    }

    #[test]
    fn accepts_kernel_of_a_nitro_enclave() {
        checked("kvm-clock\n", "nsm-hwrng\n", &["kvm-clock"]).unwrap();
        checked("tsc\n", "nsm-hwrng\n", &["kvm-clock", "tsc"]).unwrap();
    }

    #[test]
    fn rejects_other_clocksource() {
        for found in ["tsc", "", "kvm-clock2"] {
            let error = checked(&format!("{found}\n"), "nsm-hwrng\n", &["kvm-clock"]).unwrap_err();
            assert!(matches!(error, PlatformError::Clocksource { found: f, .. } if f == found));
        }
    }

    #[test]
    fn rejects_other_hardware_generator() {
        for found in ["virtio_rng.0", "none", "", "nsm-hwrng2", "nsm"] {
            let error = checked("kvm-clock\n", &format!("{found}\n"), &["kvm-clock"]).unwrap_err();
            assert!(matches!(error, PlatformError::Rng { found: f } if f == found));
        }
    }

    #[test]
    fn rejects_kernel_without_clocksource_file() {
        let sysfs = tempfile::tempdir().unwrap();
        let error = check_kernel(sysfs.path(), &PlatformSettings::default()).unwrap_err();
        let expected = sysfs.path().join(CLOCKSOURCE);
        assert!(matches!(error, PlatformError::Read { path, .. } if path == expected));
    }

    #[test]
    fn rejects_debug_mode_unless_allowed() {
        let mut pcr0 = [0; PCR_LENGTH];
        let error = check_pcr0(&pcr0, DebugMode::Reject).unwrap_err();
        assert!(matches!(error, PlatformError::DebugMode));
        check_pcr0(&pcr0, DebugMode::Allow).unwrap();
        pcr0[47] = 1;
        check_pcr0(&pcr0, DebugMode::Reject).unwrap();
        for debug in [DebugMode::Reject, DebugMode::Allow] {
            for length in [0, 32, 47] {
                let error = check_pcr0(&pcr0[..length], debug).unwrap_err();
                assert!(matches!(error, PlatformError::PcrLength { length: l } if l == length));
            }
        }
    }
}
