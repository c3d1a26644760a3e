//! Measures the cost of receipts. The same service answers each request with and without a nonce.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::KEYS;
use crate::concurrent_clients::generate_random;
use crate::figures::Figures;
use crate::load::BoxError;
use crate::scenarios::{PLAIN, RelayedService, interleave};
use crate::servers::CacheLevel;

const CLIENTS: usize = 32;

/// A valid nonce. A client of a real service uses a new nonce for each attempt.
const NONCE_LINE: &[u8] = b"X-Attested-Random-Nonce: AAECAwQFBgcICQoLDA0ODw\r\n";

const RECEIPT_HEADER: &str = "x-attested-random-receipt: ";

/// Minimum ratio of the processor time of an attested request without a receipt to that of one with a
/// receipt. The service has cached the leaf certificate of the document.
const MIN_RATIO: f64 = 0.9;

/// Compares requests that have a receipt with requests that have none.
///
/// # Errors
/// If a measurement fails, or if a receipt of an attested request costs too much.
pub(crate) fn receipts(figures: &mut Figures) -> Result<(), BoxError> {
    let service = RelayedService::start(&CacheLevel::Leaf.to_toml(), &[])?;
    let [(_, key), ..] = KEYS;
    let (attested, plain) = (service.enclave.attested_request(key)?, generate_random(PLAIN));
    let (attested_receipt, plain_receipt) = (with_nonce(&attested)?, with_nonce(&plain)?);
    let requests = [
        ("attested_without_receipt", &attested, false),
        ("attested_with_receipt", &attested_receipt, true),
        ("plain_without_receipt", &plain, false),
        ("plain_with_receipt", &plain_receipt, true),
    ];
    for (name, request, expected) in requests {
        if has_receipt(service.relay.address(), request)? != expected {
            return Err(format!("{name}: the response does not match the name").into());
        }
    }
    let mut scenarios = requests.map(|(name, request, _)| service.scenario(name, CLIENTS, request));
    interleave(&mut scenarios, figures)?;
    let [attested, attested_receipt, plain, plain_receipt] = &scenarios;
    let name = "receipt_cpu_ratio_attested";
    let ratio = figures.add_ratio(name, &attested.costs, &attested_receipt.costs)?;
    figures.add_ratio("receipt_cpu_ratio_plain", &plain.costs, &plain_receipt.costs)?;
    match ratio >= MIN_RATIO {
        true => Ok(()),
        false => Err(format!("{name} is {ratio:.3}, below {MIN_RATIO}").into()),
    }
}

/// Returns the request with a nonce after the request line.
pub(crate) fn with_nonce(request: &[u8]) -> Result<Vec<u8>, BoxError> {
    let end = request.windows(2).position(|window| window == b"\r\n").ok_or("no request line")?;
    let (line, rest) = request.split_at(end + 2);
    Ok([line, NONCE_LINE, rest].concat())
}

/// Sends one request, and returns whether its response has a receipt.
fn has_receipt(address: SocketAddr, request: &[u8]) -> Result<bool, BoxError> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8(head)?.to_ascii_lowercase().contains(RECEIPT_HEADER))
}
