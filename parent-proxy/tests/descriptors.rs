//! File descriptors of this process. This file has only one test, because a concurrent test could open
//! descriptors too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use std::fs;

use fixture::{bounded, ends_without_a_byte, relay_to_listener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use transport::{Endpoint, Listener};

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Relays a client to `upstream`, then closes its connection: normally, by a reset during a request, or
/// during a response.
async fn connect_and_close(address: &str, upstream: &Listener, n: usize) {
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut server = upstream.accept().await.unwrap();
    client.write_u8(b'?').await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'?');
    match n % 3 {
        0 => drop(client),
        1 => {
            client.set_zero_linger().unwrap();
            drop(client);
        }
        _ => {
            server.write_all(&[7; 1024]).await.unwrap();
            client.read_u8().await.unwrap();
            drop(client);
        }
    }
    assert!(ends_without_a_byte(&mut server).await);
}

#[tokio::test]
async fn closed_connections_leave_no_descriptors() {
    bounded(async {
        let (running, upstream) = relay_to_listener().await;
        let Endpoint::Tcp(address) = &running.endpoint else { panic!("not TCP") };
        // The relay's threads open descriptors of their own when they start.
        for n in 0..200 {
            connect_and_close(address, &upstream, n).await;
        }
        let before = open_descriptors();

        for n in 0..200 {
            connect_and_close(address, &upstream, n).await;
        }

        // If descriptors leak, the test fails at its time limit.
        while open_descriptors() > before {
            yield_now().await;
        }
    })
    .await;
}
