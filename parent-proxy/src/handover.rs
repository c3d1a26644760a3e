//! The protocol between a relay and its successor during an upgrade.
//!
//! A pair of Unix sockets connects the two processes. The successor's socket is its standard input, because
//! only unsafe code could use a descriptor whose number is passed in another way.
//!
//! 1. The predecessor sends the names and descriptors of its listeners, and starts the successor.
//! 2. The successor sends [`READY`] once it can serve, or [`NOT_READY`] if it has found no ready enclave.
//!    After [`NOT_READY`], a predecessor that has a ready enclave cancels the upgrade.
//! 3. The predecessor sends [`TAKE_OVER`]. From then on only the successor accepts connections.
//!
//! Each process can cancel the upgrade by closing its socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::iter;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Message of the successor: it can serve.
pub(crate) const READY: u8 = b'R';

/// Message of the successor: it has found no ready enclave.
pub(crate) const NOT_READY: u8 = b'U';

/// Message of the predecessor: the successor takes over.
pub(crate) const TAKE_OVER: u8 = b'G';

/// Name and version of this protocol, sent before the names of the listeners.
const PROTOCOL: &str = "parent-proxy listeners 1";

/// Maximum number of descriptors in one message: SCM_MAX_FD in unix(7).
const MAX_DESCRIPTORS: usize = 253;

/// Maximum length of a message, in bytes. [`MAX_DESCRIPTORS`] names of maximum length fit.
const MAX_LENGTH: usize = 128 * 1024;

/// A listening socket and the name by which a successor finds it.
#[derive(Debug)]
pub(crate) struct NamedListener {
    pub(crate) name: String,
    pub(crate) descriptor: OwnedFd,
}

/// Sends the listeners in one message.
///
/// # Errors
/// The errors of sendmsg(2). Also an error if there are more than 253 listeners, or if the kernel accepts only
/// part of the message.
pub(crate) fn send(socket: &UnixStream, listeners: &[NamedListener]) -> io::Result<()> {
    let names = listeners.iter().map(|listener| listener.name.as_str());
    // A name contains no NUL, because it is an endpoint. The path of an endpoint cannot contain a NUL.
    let text = iter::once(PROTOCOL).chain(names).collect::<Vec<_>>().join("\0");
    let descriptors: Vec<_> =
        listeners.iter().map(|listener| listener.descriptor.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = listeners.len() <= MAX_DESCRIPTORS
        && control.push(SendAncillaryMessage::ScmRights(&descriptors));
    if !fits {
        let count = listeners.len();
        let error = format!("cannot hand over {count} listeners: the limit is {MAX_DESCRIPTORS}");
        return Err(io::Error::other(error));
    }
    let sent =
        sendmsg(socket, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    if sent == text.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives the listeners that [`send`] sent.
///
/// # Errors
/// The errors of recvmsg(2). Also an error if the message has another protocol or version, or does not have one
/// descriptor for each name.
pub(crate) fn receive(socket: &UnixStream) -> io::Result<Vec<NamedListener>> {
    let mut text = vec![0; MAX_LENGTH];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(&mut text)];
    let length = recvmsg(socket, slices, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    let unknown_protocol =
        || io::Error::other("the predecessor uses another handover protocol: restart it instead");
    let text =
        str::from_utf8(text.get(..length).unwrap_or_default()).map_err(|_| unknown_protocol())?;
    let mut names = text.split('\0');
    if names.next() != Some(PROTOCOL) || names.clone().count() != descriptors.len() {
        return Err(unknown_protocol());
    }
    let listeners = names.zip(descriptors);
    Ok(listeners
        .map(|(name, descriptor)| NamedListener { name: name.to_owned(), descriptor })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    fn named(name: &str) -> NamedListener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        NamedListener { name: name.to_owned(), descriptor: listener.into() }
    }

    #[test]
    fn receives_listeners_with_their_names_in_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let listeners: Vec<_> =
            (0..MAX_DESCRIPTORS).map(|n| named(&format!("unix:/run/a b\n{n}"))).collect();
        send(&one, &listeners).unwrap();
        let address = |listener: &NamedListener| {
            let descriptor = listener.descriptor.try_clone().unwrap();
            TcpListener::from(descriptor).local_addr().unwrap()
        };
        let received = receive(&other).unwrap();
        assert_eq!(received.len(), listeners.len());
        for (received, sent) in received.iter().zip(&listeners) {
            assert_eq!((&received.name, address(received)), (&sent.name, address(sent)));
        }
    }

    #[test]
    fn rejects_more_listeners_than_one_message_holds() {
        let (one, _other) = UnixStream::pair().unwrap();
        let listeners: Vec<_> = (0..=MAX_DESCRIPTORS).map(|_| named("a")).collect();
        let error = send(&one, &listeners).unwrap_err();
        assert!(error.to_string().contains("254 listeners: the limit is 253"), "{error}");
    }

    #[test]
    fn rejects_a_message_of_another_protocol() {
        for text in ["", "parent-proxy listeners 2\0a", "parent-proxy listeners 1\0a"] {
            let (mut one, other) = UnixStream::pair().unwrap();
            one.write_all(text.as_bytes()).unwrap();
            drop(one);
            let error = receive(&other).unwrap_err();
            assert!(error.to_string().contains("restart it instead"), "{error}");
        }
    }
}
