use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::{fs, thread};

use attestation::Identity;
use attestation::time::UnixMillis;
use attested_recipient::{Document, Simulator};
use enclave::clock::{Clock, SystemClock};
use enclave::tls::Authority;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tempfile::TempDir;

use crate::tls_terminator::TlsTerminator;

/// The PCR0 of every enclave in these tests.
pub(crate) const PCR0: [u8; 48] = [0xa5; 48];

pub(crate) fn pcr0() -> String {
    format!("0={}", const_hex::encode(PCR0))
}

pub(crate) fn now() -> UnixMillis {
    SystemClock.now()
}

pub(crate) fn authority(names: &[&str]) -> Authority {
    let names: Vec<_> = names.iter().map(|name| ServerName::try_from(*name).unwrap()).collect();
    Authority::generate(&names, now()).unwrap()
}

/// A server that behaves like an enclave with attested TLS. It has its own certificate authority,
/// and returns simulated documents on `GET /attestation`.
pub(crate) struct Enclave {
    pub(crate) authority: Authority,
    pub(crate) certified: Arc<CertifiedKey>,
    /// The address without TLS.
    pub(crate) plain_address: SocketAddr,
    /// The TLS endpoint.
    pub(crate) terminator: TlsTerminator,
    folder: TempDir,
}

impl Enclave {
    /// Starts a valid enclave.
    pub(crate) fn start() -> Self {
        Self::with_document(|_| ())
    }

    /// Starts an enclave that changes its document before it signs the document.
    pub(crate) fn with_document(change: fn(&mut Document)) -> Self {
        Self::with(authority(&["localhost", "127.0.0.1", "::1"]), change, |_| ())
    }

    /// Starts an enclave that changes its document after it has signed the document.
    pub(crate) fn with_tampered_document(tamper: fn(&mut Vec<u8>)) -> Self {
        Self::with(authority(&["127.0.0.1"]), |_| (), tamper)
    }

    /// Starts an enclave that rejects the first `times` requests with 429 and these headers.
    pub(crate) fn with_throttling(times: usize, fields: &'static str) -> Self {
        let left = AtomicUsize::new(times);
        let decrement = |left: usize| left.checked_sub(1);
        Self::build(
            authority(&["127.0.0.1"]),
            |_| (),
            |_| (),
            move |_| {
                let is_throttled = left.fetch_update(SeqCst, SeqCst, decrement).is_ok();
                is_throttled.then_some(TooManyRequests(fields))
            },
        )
    }

    pub(crate) fn with(
        authority: Authority,
        change: fn(&mut Document),
        tamper: fn(&mut Vec<u8>),
    ) -> Self {
        Self::build(authority, change, tamper, |_| None)
    }

    fn build(
        authority: Authority,
        change: fn(&mut Document),
        tamper: fn(&mut Vec<u8>),
        throttle: impl Fn(&str) -> Option<TooManyRequests> + Send + Sync + 'static,
    ) -> Self {
        let simulator = Simulator::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = simulator.root_certificate_pem();
        fs::write(folder.path().join("root.pem"), &root).unwrap();
        let user_data = identity(&authority).to_user_data();
        let plain_address = serve_or_throttle(throttle, move |target| {
            if target == "/simulator/root.pem" {
                return Some(root.clone().into_bytes());
            }
            let nonce = target.strip_prefix("/attestation?nonce=")?;
            let mut document = Document {
                nonce: Some(const_hex::decode(nonce).unwrap()),
                user_data: Some(user_data.clone()),
                pcrs: [(0, PCR0)].into(),
                ..Document::default()
            };
            change(&mut document);
            let mut document = simulator.document(&document).unwrap();
            tamper(&mut document);
            Some(document)
        });
        let certified = authority.issue(now()).unwrap().certified;
        let terminator = TlsTerminator::start(Arc::clone(&certified), plain_address);
        Self { authority, certified, plain_address, terminator, folder }
    }

    pub(crate) fn url(&self) -> String {
        self.terminator.url()
    }

    /// Returns the path of a file with the root of the enclave's documents. With this trust anchor, `trust`
    /// accepts the enclave like an enclave of AWS.
    pub(crate) fn root(&self) -> String {
        self.folder.path().join("root.pem").to_str().unwrap().to_owned()
    }
}

/// Returns the identity of an enclave with this authority. The receipt key is not a point on the curve, because
/// `trust` does not use the key.
pub(crate) fn identity(authority: &Authority) -> Identity {
    Identity {
        receipt_key: [4; 65],
        tls_key: Some(authority.server_key_digest()),
        tls_ca: Some(authority.key_digest()),
        config: None,
    }
}

/// A 429 response with these header lines, each with its line end.
pub(crate) struct TooManyRequests(&'static str);

/// Serves GET on a free port, with 404 for unknown paths. The thread ends with the process.
pub(crate) fn serve(
    response: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> SocketAddr {
    serve_or_throttle(|_| None, response)
}

fn serve_or_throttle(
    throttle: impl Fn(&str) -> Option<TooManyRequests> + Send + Sync + 'static,
    response: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let responses = Arc::new((throttle, response));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, responses) = (stream.unwrap(), Arc::clone(&responses));
            thread::spawn(move || serve_connection(stream, &responses.0, &responses.1));
        }
    });
    address
}

/// Serves the requests of one connection.
fn serve_connection(
    stream: TcpStream,
    throttle: &dyn Fn(&str) -> Option<TooManyRequests>,
    response: &dyn Fn(&str) -> Option<Vec<u8>>,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    while let Some(Ok(request)) = lines.next() {
        // The loop skips the headers.
        while lines.next().unwrap().unwrap() != "" {}
        let target = request.split(' ').nth(1).unwrap();
        if let Some(TooManyRequests(fields)) = throttle(target) {
            let response = format!(
                "HTTP/1.1 429 Too Many Requests\r\n{fields}Content-Length: 6\r\n\r\nlater\n"
            );
            drop(stream.write_all(response.as_bytes()));
            match fields.contains("close") {
                true => return,
                false => continue,
            }
        }
        let response = response(target);
        let status = if response.is_some() { "200 OK" } else { "404 Not Found" };
        let body = response.unwrap_or_else(|| b"there is nothing\n\x1b[2J".to_vec());
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        // The client may have closed the connection.
        drop(stream.write_all(&[head.as_bytes(), &body].concat()));
    }
}
