//! HTTP: any bytes as what one client sends on one connection, at once and in pieces.

mod framing;
mod judge;
mod wire;

use std::future::pending;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::Service;
use enclave::audit::Audit;
use enclave::config::{Config, Posture};
use enclave::http::Server;
use enclave::platform::Platform;
use shared::attestation::{Simulated, TrustAnchors};
use shared::simulator::{SimulatedNsm, World, sign_payload};
use shared::time::UnixMillis;
use tokio::runtime::{Builder, Runtime};

use self::wire::Wire;
use crate::fixture;

/// Stands for a good document in base64, which would be nearly all of an input.
const DOCUMENT_SHORTHAND: &[u8] = b"$D";

/// Any bytes, with shorthands. However they are cut into pieces, the answers are the same.
pub fn run(data: &[u8]) {
    let sent = expand(data);
    let at_once = judge::answers(&sent, &exchange(&[&sent]));
    let pieces = pieces(&sent);
    let in_pieces = judge::answers(&sent, &exchange(&pieces));
    assert_eq!(in_pieces, at_once, "{} pieces", pieces.len());
}

/// A simulated enclave that trusts the fixture's root, at the fixture's time. It has none of the
/// simulator's own routes, which would mint other documents each time.
struct Fixed;

impl Platform for Fixed {
    type Trust = Simulated;
    type Nsm = SimulatedNsm;
    type Clock = fn() -> UnixMillis;

    fn clock(&self) -> &Self::Clock {
        &(now as fn() -> UnixMillis)
    }
}

fn now() -> UnixMillis {
    fixture::NOW
}

struct Enclave {
    runtime: Runtime,
    server: Server<Fixed>,
}

impl Enclave {
    fn start() -> Self {
        // Deadlines run on a real clock, and none is ever reached: a client that has sent all of its
        // bytes closes its side. A paused clock would leap over the NSM's thread while it works.
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let [root, ..] = fixture::certificates();
        let world = Arc::new(World::new(Arc::new(now)).expect("the provider works"));
        let anchors = TrustAnchors::simulator_root(root);
        let settings = Config::default().settings(Posture::Laptop).expect("the defaults");
        let nsm = SimulatedNsm::new(world);
        let service = Service::start(Fixed, nsm, anchors, settings, Audit::none());
        let service = runtime.block_on(service).expect("the module gives entropy");
        Self { runtime, server: Server::new(service) }
    }
}

/// What comes back until the connection ends.
fn exchange(pieces: &[&[u8]]) -> Vec<u8> {
    static ENCLAVE: OnceLock<Enclave> = OnceLock::new();
    let Enclave { runtime, server } = ENCLAVE.get_or_init(Enclave::start);
    let mut answer = Vec::new();
    runtime.block_on(server.serve_connection(Wire::new(pieces, &mut answer), pending()));
    answer
}

/// Cuts what is sent, at places that the same input always gives: many small pieces and some large.
fn pieces(sent: &[u8]) -> Vec<&[u8]> {
    let mut state = sent
        .iter()
        .fold(0x9e37_79b9_u32, |state, byte| (state ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let mut pieces = Vec::new();
    let mut rest = sent;
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [size, scale, ..] = state.to_be_bytes();
        let size = 1 + usize::from(size) % if scale < 128 { 7 } else { 256 };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Writes each shorthand out.
pub fn expand(data: &[u8]) -> Vec<u8> {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| {
        let payload = &fixture::good_payloads()[0];
        let document = sign_payload(payload, fixture::leaf_key()).expect("the provider signs");
        STANDARD.encode(document)
    });
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(DOCUMENT_SHORTHAND) {
            out.extend(document.as_bytes());
            rest = after;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}
