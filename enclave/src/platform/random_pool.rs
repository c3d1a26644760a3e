//! Mixes random bytes of the NSM into the kernel's random pool. The generators of the crypto provider take
//! bytes from this pool.
#![expect(unsafe_code, reason = "the standard library has no ioctl")]

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use super::PlatformError;
use crate::nsm::Block;

/// `RNDRESEEDCRNG` of Linux's uapi/linux/random.h: `_IO('R', 0x07)`.
const RESEED: libc::Ioctl = libc::_IO(0x52, 0x07);

/// Writes `blocks` to the random pool at `pool`, and makes the kernel reseed its generator from the pool. Without the
/// reseed, the kernel would use the blocks only after its next interval, up to a minute later: random(4).
///
/// # Errors
/// If the pool cannot be opened, written or used for a reseed.
pub(crate) fn mix_into_random_pool(pool: &Path, blocks: &[Block]) -> Result<(), PlatformError> {
    let mix = || {
        let mut file = OpenOptions::new().write(true).open(pool)?;
        blocks.iter().try_for_each(|block| file.write_all(block.expose()))?;
        // SAFETY: the descriptor is open for as long as `file` lives. This request has no argument. Other files
        // return ENOTTY.
        match unsafe { libc::ioctl(file.as_raw_fd(), RESEED) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    mix().map_err(|error| PlatformError::RandomPool { path: pool.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zeroize::Zeroizing;

    use super::*;

    fn blocks() -> [Block; 2] {
        [7, 8].map(|byte| Block::new(Zeroizing::new(vec![byte; 256])))
    }

    #[test]
    fn ioctl_number_equals_kernel_header() {
        assert_eq!(RESEED, 0x5207);
    }

    /// Uses a regular file in place of the pool, so that the reseed fails after the blocks were written.
    #[test]
    fn writes_all_blocks_before_the_reseed() {
        let folder = tempfile::tempdir().unwrap();
        let pool = folder.path().join("random");
        fs::write(&pool, "").unwrap();
        let error = mix_into_random_pool(&pool, &blocks()).unwrap_err();
        assert_eq!(fs::read(&pool).unwrap(), [[7; 256], [8; 256]].concat());
        let PlatformError::RandomPool { error, .. } = &error else { panic!("{error}") };
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }

    #[test]
    fn missing_pool_is_an_error_with_its_path() {
        let error = mix_into_random_pool(Path::new("/none/random"), &blocks()).unwrap_err();
        let text = "cannot mix random bytes of the NSM into /none/random: No such file or directory \
                    (os error 2); ";
        assert!(error.to_string().starts_with(text), "{error}");
    }
}
