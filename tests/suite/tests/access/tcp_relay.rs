//! A relay that writes something in front of what it relays.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Relays from a free port to `upstream`, with `prelude` in front; its threads end with the test.
pub(crate) fn relay(upstream: SocketAddr, prelude: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, prelude) = (client.unwrap(), prelude.clone());
            let mut upstream = TcpStream::connect(upstream).unwrap();
            // In one segment with what follows, or not: as it comes.
            upstream.write_all(&prelude).unwrap();
            let (to_client, to_upstream) =
                (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || pipe(client, to_upstream));
            thread::spawn(move || pipe(upstream, to_client));
        }
    });
    address
}

fn pipe(mut from: TcpStream, mut to: TcpStream) {
    // Either end may be gone.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
