//! A TCP relay that sends a prefix before the relayed bytes.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Relays from a free port to `upstream` and sends `prefix` first. Its threads end with the test.
pub(crate) fn relay(upstream: SocketAddr, prefix: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, prefix) = (client.unwrap(), prefix.clone());
            let mut upstream = TcpStream::connect(upstream).unwrap();
            // The prefix may share a segment with the bytes that follow.
            upstream.write_all(&prefix).unwrap();
            let (to_client, to_upstream) =
                (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || pipe(client, to_upstream));
            thread::spawn(move || pipe(upstream, to_client));
        }
    });
    address
}

fn pipe(mut from: TcpStream, mut to: TcpStream) {
    // Either end may be closed.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
