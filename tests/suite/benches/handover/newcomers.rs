//! Clients that are new: each connects, asks once, and ends.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::load::Failure;

/// How often one comes.
const EVERY: Duration = Duration::from_millis(50);
/// Longer than any of them waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the enclave answers at once, to whoever asks.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// They come until this is stopped.
pub(crate) struct Newcomers {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Waits>,
}

/// How long they waited for their first answer.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    clients: usize,
    longest: Duration,
    failures: Vec<io::Error>,
}

impl Newcomers {
    pub(crate) fn start(address: &str) -> Self {
        let (over, address) = (Arc::new(AtomicBool::new(false)), address.to_owned());
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut waits = Waits::default();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                match ask(&address) {
                    Ok(()) => waits.longest = waits.longest.max(begun.elapsed()),
                    Err(error) => waits.failures.push(error),
                }
                waits.clients += 1;
                thread::sleep(EVERY.saturating_sub(begun.elapsed()));
            }
            waits
        });
        Self { over, thread }
    }

    pub(crate) fn stop(self) -> Result<Waits, Failure> {
        self.over.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_| "the new clients panicked")?)
    }
}

fn ask(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 ") { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl Waits {
    pub(crate) fn print(&self) {
        let (clients, failed) = (self.clients, self.failures.len());
        let longest = self.longest.as_secs_f64();
        println!("{clients} new clients, {failed} failed, the longest wait {longest:.3} s");
        if let Some(error) = self.failures.first() {
            println!("failed: {error}");
        }
    }

    /// Whether all were answered, within `bound` where there is one. Without one some may have to come again,
    /// as SDKs do.
    pub(crate) fn are_good(&self, bound: Option<Duration>) -> bool {
        let within = |bound| self.longest <= bound && self.failures.is_empty();
        self.clients > 0 && bound.is_none_or(within)
    }
}
