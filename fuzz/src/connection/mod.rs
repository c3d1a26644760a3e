//! A simulated enclave, and a connection of one client to it.

mod client_stream;
pub(crate) mod framing;
pub(crate) mod response_checks;

use std::future::pending;
use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{Simulated, TrustAnchors};
use enclave::Service;
use enclave::audit::Audit;
use enclave::config::{Config, Profile};
use enclave::http::Server;
use enclave::platform::Platform;
use enclave::request::TransportSecurity;
use simulator::{SimulatedNsm, SimulatedPki};
use tokio::runtime::{Builder, Runtime};

use self::client_stream::ClientStream;
use crate::fixture;

/// A simulated platform that trusts the fixture's root and whose clock shows the fixture's time. The
/// platform has none of the simulator's own routes, because the documents of these routes would differ
/// between runs.
struct FixedPlatform;

impl Platform for FixedPlatform {
    type Trust = Simulated;
    type Nsm = SimulatedNsm;
    type Clock = fn() -> UnixMillis;

    fn clock(&self) -> Self::Clock {
        now
    }
}

fn now() -> UnixMillis {
    fixture::NOW
}

pub(crate) struct Enclave {
    runtime: Runtime,
    server: Server<Service<FixedPlatform>>,
}

impl Enclave {
    /// Starts an enclave with this configuration, in the development profile.
    pub(crate) fn start(config: Config, audit: Audit) -> Self {
        // The real clock reaches no deadline, because the client closes its sending half after the last
        // byte. A paused clock would reach deadlines, because it advances while the NSM thread works.
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let [root, ..] = fixture::certificates();
        let pki = Arc::new(SimulatedPki::new(Arc::new(now)).expect("the provider works"));
        let anchors = TrustAnchors::simulator_root(root);
        let settings = config.settings(Profile::Development).expect("the configuration is valid");
        let nsm = SimulatedNsm::new(pki);
        let service = Service::start(FixedPlatform, nsm, anchors, settings, audit);
        let service = runtime.block_on(service).expect("the NSM returns entropy");
        Self { runtime, server: Server::new(service) }
    }

    /// Sends `pieces` on a new connection. Returns all bytes that the enclave sends on the
    /// connection.
    pub(crate) fn exchange(&self, pieces: &[&[u8]]) -> Vec<u8> {
        let Self { runtime, server } = self;
        let mut response = Vec::new();
        runtime.block_on(server.serve_connection(
            ClientStream::new(pieces, &mut response),
            TransportSecurity::NoTls,
            pending(),
        ));
        response
    }
}
