//! The system call, which is the only unsafe code of the crate.
#![expect(unsafe_code, reason = "the standard library has no ioctl")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `struct nsm_raw` of Linux's uapi/linux/nsm.h. Its `struct nsm_iovec` equals `iovec` on 64-bit platforms.
#[repr(C)]
struct NsmRaw {
    request: libc::iovec,
    response: libc::iovec,
}

/// `NSM_IOCTL_RAW`: `_IOWR(0x0A, 0x0, struct nsm_raw)`.
const NSM_IOCTL_RAW: libc::Ioctl = libc::_IOWR::<NsmRaw>(0x0a, 0);

/// Sends `request` and receives the response into `response`.
///
/// Returns the response's length as the driver reports it, or the `errno`.
pub(super) fn process(file: &File, request: &[u8], response: &mut [u8]) -> Result<usize, i32> {
    let mut raw = NsmRaw {
        // The driver only reads the request. `iovec` has the same type for both directions.
        request: libc::iovec {
            iov_base: request.as_ptr().cast_mut().cast(),
            iov_len: request.len(),
        },
        response: libc::iovec { iov_base: response.as_mut_ptr().cast(), iov_len: response.len() },
    };
    // SAFETY: The descriptor is open while `file` is borrowed. The driver reads `raw` and the request. It
    // writes at most `raw.response.iov_len` bytes of the response, and writes `raw` back. All three are
    // borrowed until the call returns, `raw` and the response mutably. Other devices return ENOTTY for this
    // request number.
    let status = unsafe { libc::ioctl(file.as_raw_fd(), NSM_IOCTL_RAW, &raw mut raw) };
    match status {
        0 => Ok(raw.response.iov_len),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ioctl_number_equals_kernel_header() {
        // _IOC_READ | _IOC_WRITE, 32 bytes, 0x0a, 0.
        assert_eq!(NSM_IOCTL_RAW, 3 << 30 | 32 << 16 | 0x0a << 8);
    }

    #[test]
    fn returns_enotty_for_other_files() {
        let file = tempfile::tempfile().unwrap();
        let mut response = [7; 16];
        assert_eq!(process(&file, b"request", &mut response), Err(libc::ENOTTY));
        assert_eq!(response, [7; 16]);
    }
}
