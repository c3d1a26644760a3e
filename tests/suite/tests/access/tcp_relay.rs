//! A TCP relay that sends a prefix before the bytes of a client, such as the header of the PROXY
//! protocol.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Relays connections from a free port to `upstream`, and sends `prefix` first on each connection.
/// The threads end with the process.
pub(crate) fn relay(upstream: SocketAddr, prefix: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, prefix) = (client.unwrap(), prefix.clone());
            let mut upstream = TcpStream::connect(upstream).unwrap();
            // The prefix and the next bytes may arrive in one segment.
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
    // One side of the connection may be closed already.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
