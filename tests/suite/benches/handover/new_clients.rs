//! New clients. Each client connects, sends one request, and closes the connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::load::BoxError;

/// Interval between clients.
const INTERVAL: Duration = Duration::from_millis(50);
/// Read timeout, longer than any expected wait.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// A request that the enclave answers immediately, without credentials.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// A thread that runs new clients until it is stopped.
pub(crate) struct NewClients {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Latencies>,
}

/// Times to the first response.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    clients: usize,
    longest: Duration,
    failures: Vec<io::Error>,
}

impl NewClients {
    pub(crate) fn start(address: &str) -> Self {
        let (stopped, address) = (Arc::new(AtomicBool::new(false)), address.to_owned());
        let is_stopped = Arc::clone(&stopped);
        let thread = thread::spawn(move || {
            let mut latencies = Latencies::default();
            while !is_stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                match request(&address) {
                    Ok(()) => latencies.longest = latencies.longest.max(begun.elapsed()),
                    Err(error) => latencies.failures.push(error),
                }
                latencies.clients += 1;
                thread::sleep(INTERVAL.saturating_sub(begun.elapsed()));
            }
            latencies
        });
        Self { stopped, thread }
    }

    pub(crate) fn stop(self) -> Result<Latencies, BoxError> {
        self.stopped.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_| "the client thread panicked")?)
    }
}

fn request(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.write_all(REQUEST)?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    if response.starts_with("HTTP/1.1 ") {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

impl Latencies {
    pub(crate) fn print(&self) {
        let (clients, failed) = (self.clients, self.failures.len());
        let longest = self.longest.as_secs_f64();
        println!(
            "{clients} new clients, {failed} failed, longest time to the first response \
             {longest:.3} s"
        );
        if let Some(error) = self.failures.first() {
            println!("failed: {error}");
        }
    }

    /// Returns whether all clients succeeded within `bound`. If `bound` is `None`, clients may fail,
    /// because an SDK would retry.
    pub(crate) fn are_within(&self, bound: Option<Duration>) -> bool {
        let within = |bound| self.longest <= bound && self.failures.is_empty();
        self.clients > 0 && bound.is_none_or(within)
    }
}
