//! Many clients on one thread. A client sends the same request again when it has the response. The
//! clients do as little other work as possible.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::load::BoxError;

const HEAD_END: &[u8] = b"\r\n\r\n";
const CONTENT_LENGTH: &[u8] = b"content-length: ";

/// Clients that send the same request.
#[derive(Clone, Debug)]
pub(crate) struct ConcurrentClients {
    address: SocketAddr,
    clients: usize,
    request: Arc<[u8]>,
    /// True if each request uses a new connection.
    reconnects: bool,
}

/// The result of a run.
#[derive(Debug, Default)]
pub(crate) struct LoadResult {
    /// Number of responses with status 200.
    pub(crate) succeeded: u32,
    /// Number of other responses.
    pub(crate) rejected: u32,
    /// Latency of each successful request, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Duration of the run.
    pub(crate) elapsed: Duration,
}

impl ConcurrentClients {
    /// Creates `clients` clients that send `request` over persistent connections.
    pub(crate) fn new(address: SocketAddr, clients: usize, request: &[u8]) -> Self {
        Self { address, clients, request: request.into(), reconnects: false }
    }

    /// Makes each request use a new connection.
    pub(crate) fn reconnecting(self) -> Self {
        Self { reconnects: true, ..self }
    }

    /// Connects all clients, and then sends requests for the duration `length`.
    pub(crate) fn run_for(&self, length: Duration) -> Result<LoadResult, BoxError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..self.clients {
                streams.push(connect(self.address).await?);
            }
            let start = Instant::now();
            let end = start + length;
            let mut clients = JoinSet::new();
            for stream in streams {
                clients.spawn(self.clone().client(stream, end));
            }
            let mut all = LoadResult::default();
            while let Some(result) = clients.join_next().await {
                let mut result = result??;
                all.succeeded += result.succeeded;
                all.rejected += result.rejected;
                all.latencies.append(&mut result.latencies);
            }
            all.elapsed = start.elapsed();
            all.latencies.sort_unstable();
            Ok(all)
        })
    }

    async fn client(self, mut stream: TcpStream, end: Instant) -> Result<LoadResult, BoxError> {
        let mut result = LoadResult::default();
        let mut buffer = Vec::with_capacity(16 * 1024);
        loop {
            let start = Instant::now();
            if start >= end {
                return Ok(result);
            }
            stream.write_all(&self.request).await?;
            match read_response(&mut stream, &mut buffer).await? {
                true => {
                    result.succeeded += 1;
                    result.latencies.push(start.elapsed());
                }
                false => result.rejected += 1,
            }
            if self.reconnects {
                stream = connect(self.address).await?;
            }
        }
    }
}

impl LoadResult {
    /// Returns the successful requests per second.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.succeeded) / self.elapsed.as_secs_f64()
    }

    /// Returns a percentile of the latencies, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> Result<f64, BoxError> {
        let latencies = self.latencies.get(self.latencies.len() * percent / 100);
        Ok(latencies.ok_or("no request succeeded")?.as_secs_f64() * 1e3)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads a response. Returns whether its status is 200.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<bool, BoxError> {
    buffer.clear();
    let body = loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the connection closed before the response".into());
        }
        if let Some(at) = find(buffer, HEAD_END) {
            break at + HEAD_END.len();
        }
    };
    let head = buffer.get(..body).unwrap_or_default().to_ascii_lowercase();
    let good = head.starts_with(b"http/1.1 200");
    let length = find(&head, CONTENT_LENGTH).ok_or("the response has no Content-Length")?;
    let digits = head.get(length + CONTENT_LENGTH.len()..).unwrap_or_default();
    let digits = digits.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let end = body + std::str::from_utf8(digits)?.parse::<usize>()?;
    while buffer.len() < end {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the connection closed within the response".into());
        }
    }
    Ok(good)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Returns a GenerateRandom request with this body.
pub(crate) fn generate_random(body: &str) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
