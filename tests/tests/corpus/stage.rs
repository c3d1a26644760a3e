//! A whole service in this process, under the forge's root and at the forge's time.

use std::future::pending;
use std::sync::{Arc, LazyLock};

use attested_recipient::RecipientKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::Service;
use enclave::http::Server;
use enclave::platform::Simulated;
use shared::attestation::{self, TrustAnchors};
use shared::simulator::{Draws, Forgery, SimulatedNsm, World};
use shared::time::UnixMillis;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::{Builder, Runtime};

use crate::answer::Answer;

/// The time of every forged document, and of the service that judges it.
pub(crate) const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);
/// Certificates below the root and above the leaf: three, as AWS has them.
pub(crate) const LEAF: usize = 4;

/// Keys of 2048, 3072 and 4096 bits.
pub(crate) static RECIPIENTS: LazyLock<[RecipientKey; 3]> = LazyLock::new(|| {
    [
        include_str!("../../keys/rsa-2048.pem"),
        include_str!("../../keys/rsa-3072.pem"),
        include_str!("../../keys/rsa-4096.pem"),
    ]
    .map(|pem| RecipientKey::from_pem(pem).unwrap())
});

static GOOD: LazyLock<Forgery> = LazyLock::new(|| {
    let mut forgery = Forgery::new(LEAF, NOW).unwrap();
    forgery.document.public_key = Some(recipient().public_key_der().to_vec());
    forgery
});

/// Whose good documents are, unless they say otherwise.
pub(crate) fn recipient() -> &'static RecipientKey {
    &RECIPIENTS[0]
}

/// A good document's chain and content, to be changed. All share keys and root.
pub(crate) fn good() -> Forgery {
    GOOD.clone()
}

/// A service that trusts the root of [`good`].
pub(crate) struct Stage {
    runtime: Runtime,
    server: Server<Simulated<fn() -> UnixMillis>>,
    anchors: TrustAnchors<attestation::Simulated>,
    draws: Draws,
    drawn_to_start: u64,
}

fn now() -> UnixMillis {
    NOW
}

/// A chain under a root that has expired, and one under a root that is not valid yet. Both roots
/// are anchors.
pub(crate) static OUTSIDE_ROOTS: LazyLock<[Forgery; 2]> = LazyLock::new(|| {
    let under_root = |not_before: UnixMillis, not_after: UnixMillis| {
        let mut forgery = good();
        forgery.specs[0].not_before = not_before;
        forgery.specs[0].not_after = not_after;
        forgery.keep_root().unwrap();
        forgery
    };
    [
        under_root(NOW.minus_secs(2), NOW.minus_secs(1)),
        under_root(NOW.plus_secs(1), NOW.plus_secs(2)),
    ]
});

fn anchors() -> TrustAnchors<attestation::Simulated> {
    let mut anchors = TrustAnchors::simulator_root(GOOD.root());
    for forgery in OUTSIDE_ROOTS.iter() {
        let pem = STANDARD.encode(forgery.root());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
        anchors.add_pem(pem.as_bytes()).unwrap();
    }
    anchors
}

impl Stage {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let world = Arc::new(World::new(Arc::new(now)).unwrap());
        let nsm = SimulatedNsm::new(Arc::clone(&world));
        let draws = nsm.draws();
        let clock: fn() -> UnixMillis = now;
        let platform = Simulated::new(world, clock);
        let service = runtime.block_on(Service::start(platform, nsm, anchors())).unwrap();
        let drawn_to_start = draws.count();
        Self { runtime, server: Server::new(service), anchors: anchors(), draws, drawn_to_start }
    }

    pub(crate) fn anchors(&self) -> &TrustAnchors<attestation::Simulated> {
        &self.anchors
    }

    /// Blocks of entropy drawn since the start.
    pub(crate) fn draws(&self) -> u64 {
        self.draws.count() - self.drawn_to_start
    }

    /// Sends `bytes` on a connection of their own, closes the sending half, and reads all that
    /// comes back.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> Vec<Answer> {
        let (client, server) = duplex(64 * 1024);
        let (mut reading, mut writing) = tokio::io::split(client);
        let talk = async {
            let mut received = Vec::new();
            let send = async {
                // The service may answer and close before it has read everything.
                drop(writing.write_all(bytes).await);
                drop(writing.shutdown().await);
            };
            let (read, ()) = tokio::join!(reading.read_to_end(&mut received), send);
            read.unwrap();
            received
        };
        let serve = self.server.serve_connection(server, pending());
        let (received, ()) = self.runtime.block_on(async { tokio::join!(talk, serve) });
        Answer::parse_all(&received)
    }
}

/// GenerateRandom of 32 bytes for `document`.
pub(crate) fn generate_random(document: &[u8]) -> Vec<u8> {
    let document = STANDARD.encode(document);
    let body = format!(
        r#"{{"NumberOfBytes":32,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{document}"}}}}"#
    );
    post("TrentService.GenerateRandom", body.as_bytes())
}

/// A request as SDKs send it.
pub(crate) fn post(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: {target}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
