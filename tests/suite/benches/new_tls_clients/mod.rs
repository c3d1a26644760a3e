//! New clients at a steady rate, each with its own TLS connection.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use enclave::tls::tls_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// New clients per second.
pub(crate) const RATE: u32 = 20;

/// Read timeout of a client. Only a hang reaches it.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST: &[u8] =
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
    X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: 21\r\n\r\n{\"NumberOfBytes\": 32}";

/// Counts of requests by result.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    pub(crate) requests: u32,
    pub(crate) failed: u32,
    /// Number of occurrences of each error.
    pub(crate) errors: BTreeMap<String, u32>,
}

impl RequestCounts {
    /// Returns the share of failed clients, in percent.
    pub(crate) fn failed_percent(&self) -> f64 {
        100.0 * f64::from(self.failed) / f64::from(self.requests.max(1))
    }
}

/// The CA file of new clients. It can be replaced.
#[derive(Debug, Default)]
pub(crate) struct CaBundle(Mutex<Vec<u8>>);

impl CaBundle {
    pub(crate) fn replace(&self, pem: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pem;
    }

    fn pem(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts [`RATE`] new clients per second while `is_running` returns true. A client trusts the CA bundle
/// that exists when the client starts. Clients do not retry.
pub(crate) fn run_clients(
    address: &str,
    bundle: &CaBundle,
    is_running: impl Fn() -> bool,
) -> RequestCounts {
    let counts = Mutex::new(RequestCounts::default());
    let (start, shared_counts) = (Instant::now(), &counts);
    thread::scope(|scope| {
        for turn in 0.. {
            if !is_running() {
                break;
            }
            scope.spawn(move || {
                let result = request(address, &bundle.pem());
                let mut counts = shared_counts.lock().unwrap_or_else(PoisonError::into_inner);
                counts.requests += 1;
                if let Err(error) = result {
                    counts.failed += 1;
                    *counts.errors.entry(error).or_default() += 1;
                }
            });
            let next = Duration::from_secs(1) / RATE * (turn + 1);
            thread::sleep(next.saturating_sub(start.elapsed()));
        }
    });
    counts.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Sends one request. The client uses rustls directly. If it rejects the server's certificate, the
/// server receives a TLS alert with the reason, as from OpenSSL.
fn request(address: &str, pem: &[u8]) -> Result<(), String> {
    exchange(address, pem).map_err(|error| error.to_string()).and_then(|response| {
        let is_good = response.starts_with("HTTP/1.1 200 ") && response.contains("\"Plaintext\":");
        let status = response.lines().next().unwrap_or_default();
        if is_good { Ok(()) } else { Err(format!("unexpected status line {status:?}")) }
    })
}

fn exchange(address: &str, pem: &[u8]) -> Result<String, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let name = ServerName::try_from("127.0.0.1")?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, stream);
    stream.write_all(REQUEST)?;
    let (mut response, mut buffer) = (String::new(), [0; 4096]);
    while !response.ends_with('}') {
        let length = stream.read(&mut buffer)?;
        let read = buffer
            .get(..length)
            .filter(|read| !read.is_empty())
            .ok_or("the connection closed within the response")?;
        response.push_str(str::from_utf8(read)?);
    }
    Ok(response)
}
