//! The loopback interface `lo`. The ioctl works on any socket. This module uses a vsock socket, because an
//! enclave supports vsock in any case.
#![expect(unsafe_code, reason = "the standard library has no ioctl")]

use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// `struct ifreq` of Linux's uapi/linux/if.h, with flags: netdevice(7).
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

/// Brings `lo` up.
pub(crate) fn bring_up() -> io::Result<()> {
    let socket = socket(AddressFamily::Vsock, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let mut name = [0; libc::IFNAMSIZ];
    name[..2].copy_from_slice(b"lo");
    let flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or_default();
    let request = Request { name, flags, rest: [0; 22] };
    // SAFETY: the descriptor is open for as long as `socket` lives. The kernel only reads the request,
    // whose size and layout are those of `ifreq`, which this ioctl expects.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
