use std::os::fd::OwnedFd;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Returns a stream of each kind of vsock with its other end. The buffers of both have space for more than
/// one write.
fn vsocks() -> [(Stream, UnixStream); 2] {
    let (multiplexed, multiplexed_end) = UnixStream::pair().unwrap();
    let (vsock, vsock_end) = UnixStream::pair().unwrap();
    // A Unix socket serves as the vsock, because only its read and write calls are used.
    let vsock = VsockStream::from(OwnedFd::from(vsock.into_std().unwrap()));
    [
        (Stream::new(Socket::VsockMux(multiplexed)), multiplexed_end),
        (Stream::new(Socket::Vsock(vsock)), vsock_end),
    ]
}

#[tokio::test]
async fn vsock_write_is_at_most_32_kib() {
    let bytes = vec![7; 100_000];
    for (mut stream, _end) in vsocks() {
        assert_eq!(stream.write(&bytes).await.unwrap(), 32 * 1024);
        assert_eq!(stream.write(&bytes[..32 * 1024]).await.unwrap(), 32 * 1024);
        assert_eq!(stream.write(&bytes[..9]).await.unwrap(), 9);
    }
    let (unix, _end) = UnixStream::pair().unwrap();
    assert_eq!(Stream::new(Socket::Unix(unix)).write(&bytes).await.unwrap(), 100_000);
}

#[tokio::test]
async fn vectored_vsock_write_is_at_most_32_kib() {
    let (large, half) = (vec![7; 100_000], vec![8; 16 * 1024]);
    for (mut stream, _end) in vsocks() {
        let mut write = async |parts: &[&[u8]]| {
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            stream.write_vectored(&slices).await.unwrap()
        };
        assert_eq!(write(&[&[], &large, &half]).await, 32 * 1024);
        assert!((1..=32 * 1024).contains(&write(&[&half, &half, &half]).await));
        assert!((1..=32 * 1024).contains(&write(&[&half, &large]).await));
    }
}

#[tokio::test]
async fn bounded_vectored_writes_keep_order() {
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for (mut stream, mut end) in vsocks() {
        let send = async {
            let mut sent = 0;
            while sent < bytes.len() {
                let rest = &bytes[sent..];
                let (first, second) = rest.split_at(rest.len().min(20_000));
                let slices = [IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(second)];
                sent += stream.write_vectored(&slices).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let ((), read) = tokio::join!(send, end.read_to_end(&mut received));
        read.unwrap();
        assert!(received == bytes);
    }
}

#[tokio::test]
async fn only_unix_peers_have_a_user() {
    use std::os::unix::fs::MetadataExt;

    let own_files = tempfile::tempdir().unwrap();
    let own_uid = std::fs::metadata(own_files.path()).unwrap().uid();
    let (unix, _end) = UnixStream::pair().unwrap();
    assert_eq!(Stream::new(Socket::Unix(unix)).peer_uid().unwrap(), Some(own_uid));
    for (stream, _end) in vsocks() {
        assert_eq!(stream.peer_uid().unwrap(), None);
    }
}
