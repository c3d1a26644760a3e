//! The addresses of `lo`, set over netlink: rtnetlink(7).

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// Index of `lo`, which is the first interface of every network namespace: LOOPBACK_IFINDEX of Linux's
/// include/net/net_namespace.h.
const LOOPBACK: u32 = 1;

/// Length of `struct nlmsghdr`, in bytes.
const HEADER_LENGTH: usize = 16;

/// Maximum length of a response, in bytes. An acknowledgement contains a copy of the request and is shorter
/// than this length.
const MAX_RESPONSE_LENGTH: usize = 1024;

/// Adds an address to `lo`, unless `lo` already has the address.
pub(super) fn add_to_loopback(address: IpAddr) -> io::Result<()> {
    let protocol = SockProtocol::NetlinkRoute;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    // A message without a destination address goes to the kernel. The kernel responds before the send
    // returns.
    let mut kernel = File::from(socket);
    let request = new_address_request(address);
    let sent = kernel.write(&request)?;
    if sent != request.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut response = [0; MAX_RESPONSE_LENGTH];
    let length = kernel.read(&mut response)?;
    match parse_acknowledgement(response.get(..length).unwrap_or_default()) {
        Ok(()) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns an RTM_NEWADDR request that requires an acknowledgement.
fn new_address_request(address: IpAddr) -> Vec<u8> {
    // IFA_F_NODAD skips duplicate address detection, which would delay the use of an IPv6 address.
    let (family, flags, octets) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, 0, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, libc::IFA_F_NODAD, v6.octets().to_vec()),
    };
    let family = u8::try_from(family).unwrap_or_default();
    let flags = u8::try_from(flags).unwrap_or_default();
    let bits = u8::try_from(octets.len() * 8).unwrap_or_default();
    let mut body = Vec::new();
    // struct ifaddrmsg: family, prefix length, flags, scope, interface. RT_SCOPE_HOST limits the address to
    // this host.
    body.extend([family, bits, flags, libc::RT_SCOPE_HOST]);
    body.extend(LOOPBACK.to_ne_bytes());
    // struct rtattr: length including itself, type, value. All lengths are multiples of four.
    for kind in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        body.extend(u16::try_from(4 + octets.len()).unwrap_or_default().to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(&octets);
    }
    let request_flags =
        libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let mut message = Vec::new();
    // struct nlmsghdr: length, type, flags, sequence, port.
    message.extend(u32::try_from(HEADER_LENGTH + body.len()).unwrap_or_default().to_ne_bytes());
    message.extend(libc::RTM_NEWADDR.to_ne_bytes());
    message.extend(u16::try_from(request_flags).unwrap_or_default().to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Parses the `struct nlmsgerr` of an NLMSG_ERROR message. Its first field is zero for success, or a
/// negated error number.
fn parse_acknowledgement(response: &[u8]) -> io::Result<()> {
    let kind = response.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let status = response.get(HEADER_LENGTH..HEADER_LENGTH + 4);
    let status = status.and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind.map(i32::from), status) {
        (Some(libc::NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(libc::NLMSG_ERROR), Some(error @ i32::MIN..0)) => {
            Err(Errno::from_raw(error.saturating_neg()).into())
        }
        _ => Err(io::Error::other("the kernel's response is not an acknowledgement")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request contains the header, the interface, and the address twice.
    #[test]
    fn request_has_the_length_of_the_address_family() {
        let v4 = "28000000 1400 0506 00000000 00000000 02 20 00 fe 01000000 \
                  0800 0200 0a000105 0800 0100 0a000105";
        let v6 = "40000000 1400 0506 00000000 00000000 0a 80 02 fe 01000000 \
                  1400 0200 fd000000000000000000000000000005 \
                  1400 0100 fd000000000000000000000000000005";
        if cfg!(target_endian = "little") {
            for (address, expected) in [("10.0.1.5", v4), ("fd00::5", v6)] {
                let request = const_hex::encode(new_address_request(address.parse().unwrap()));
                assert_eq!(request, expected.replace(' ', ""), "{address}");
            }
        }
    }

    fn response(kind: u16, status: i32) -> Vec<u8> {
        let mut response = vec![36, 0, 0, 0];
        response.extend(kind.to_ne_bytes());
        response.extend([0; 10]);
        response.extend(status.to_ne_bytes());
        response
    }

    #[test]
    fn parses_acknowledgements_and_rejects_other_messages() {
        parse_acknowledgement(&response(2, 0)).unwrap();
        let refused = parse_acknowledgement(&response(2, -1)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        for none in [response(3, 0), response(2, 1), response(2, 0)[..19].to_vec(), Vec::new()] {
            let error = parse_acknowledgement(&none).unwrap_err().to_string();
            assert!(error.contains("not an acknowledgement"), "{error}");
        }
    }
}
