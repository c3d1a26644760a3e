//! A relay that records all forwarded bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The recorded bytes of all connections in both directions.
type RecordedBytes = Arc<Mutex<Vec<u8>>>;

/// A recording relay. It listens until the process ends.
pub(super) struct RecordingRelay {
    port: u16,
    recorded_bytes: RecordedBytes,
}

impl RecordingRelay {
    /// Starts a relay in front of `upstream` (`HOST:PORT`).
    pub(super) fn in_front_of(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (recorded_bytes, upstream) = (RecordedBytes::default(), upstream.to_owned());
        let recording = Arc::clone(&recorded_bytes);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(&upstream).unwrap();
                let directions = [(&client, &server), (&server, &client)];
                for (from, to) in directions.map(|(from, to)| (from.try_clone(), to.try_clone())) {
                    let (from, to, recorded_bytes) =
                        (from.unwrap(), to.unwrap(), Arc::clone(&recording));
                    thread::spawn(move || forward(&from, &to, &recorded_bytes));
                }
            }
        });
        Self { port, recorded_bytes }
    }

    /// Returns `HOST:PORT`.
    pub(super) fn authority(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Returns all bytes recorded so far.
    pub(super) fn recorded(&self) -> Vec<u8> {
        self.recorded_bytes.lock().unwrap().clone()
    }
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, recorded_bytes: &RecordedBytes) {
    let mut buffer = vec![0; 64 * 1024];
    // A reset ends the loop like a close.
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        recorded_bytes.lock().unwrap().extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
