//! A simulated enclave within the test's own process.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use enclave::Service;
use enclave::clock::{Clock, SystemClock};
use enclave::platform::Simulated;
use shared::attestation::{self, TrustAnchors};
use shared::simulator::{Now, SimulatedNsm, World};
use shared::time::UnixMillis;
use shared::transport::{Acceptor, Endpoint, listen};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::client::{Client, ClientError};
use crate::document::Document;

/// Why no simulator runs: no port, no thread, or no randomness.
#[derive(Debug, Error)]
#[error("the simulator does not start: {0}")]
pub struct SimulatorError(#[source] Box<dyn Error + Send + Sync>);

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> SimulatorError {
    SimulatorError(error.into())
}

/// A simulated enclave that speaks the KMS API on a free port of 127.0.0.1, under a root of its
/// own. It ends when this is dropped, at once. Starting, ending and [`document`](Self::document)
/// block, but can be called from asynchronous tests.
#[derive(Debug)]
pub struct Simulator {
    endpoint_url: String,
    address: SocketAddr,
    world: Arc<World>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Simulator {
    /// Starts one.
    ///
    /// # Errors
    /// If there is no port or no thread to be had.
    pub fn start() -> Result<Self, SimulatorError> {
        Self::start_at(|| SystemClock.now())
    }

    /// Starts one that takes the time from `now`, for its documents and its judgement alike.
    ///
    /// # Errors
    /// If there is no port or no thread to be had.
    pub fn start_at(
        now: impl Fn() -> UnixMillis + Clone + Send + Sync + 'static,
    ) -> Result<Self, SimulatorError> {
        let world_now: Now = Arc::new(now.clone());
        let world = Arc::new(World::new(world_now).map_err(failed)?);
        let anchors = TrustAnchors::simulator_root(world.root_certificate());
        let nsm = SimulatedNsm::new(Arc::clone(&world));
        let platform = Simulated::new(Arc::clone(&world), now);

        let (stop, stopped) = oneshot::channel::<()>();
        let (started, start) = mpsc::channel();
        // The runtime lives and dies on this thread: a caller may be within a runtime of its own.
        let thread = thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            let listening = Runtime::new().map_err(failed).and_then(|runtime| {
                let (acceptor, service) =
                    runtime.block_on(listen_and_start(platform, nsm, anchors))?;
                Ok((runtime, acceptor, service))
            });
            match listening {
                Ok((runtime, acceptor, service)) => {
                    // Whoever started it has gone if it does not want to know.
                    drop(started.send(Ok(acceptor.local_endpoint().clone())));
                    // Dropped without a word, it stops as well. A test is over: nothing is drained.
                    let stopped = async { drop(stopped.await) };
                    let serve = enclave::http::serve(acceptor, service, stopped, Duration::ZERO);
                    runtime.block_on(serve);
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        let thread = thread.map_err(failed)?;
        let endpoint = start.recv().map_err(failed)??;
        let address = match endpoint {
            Endpoint::Tcp(address) => address.parse().map_err(failed)?,
            other => return Err(failed(format!("it listens on {other}"))),
        };
        let endpoint_url = format!("http://{address}");
        Ok(Self { endpoint_url, address, world, stop: Some(stop), thread: Some(thread) })
    }

    /// Where an SDK finds it: the value of `AWS_ENDPOINT_URL_KMS`.
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// The same as a socket address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root that its documents end in, in PEM.
    pub fn root_certificate_pem(&self) -> String {
        self.world.root_certificate_pem()
    }

    /// An attestation document, signed under this simulator's root.
    ///
    /// # Errors
    /// If the simulator refuses, for a field that is too long, say.
    pub fn document(&self, document: &Document) -> Result<Vec<u8>, ClientError> {
        Client::new(&self.endpoint_url).document(document)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // That it panicked was reported by the thread itself.
            drop(thread.join());
        }
    }
}

async fn listen_and_start<C: Clock>(
    platform: Simulated<C>,
    nsm: SimulatedNsm,
    anchors: TrustAnchors<attestation::Simulated>,
) -> Result<(Acceptor, Service<Simulated<C>>), SimulatorError> {
    let loopback = Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string());
    let service = Service::start(platform, nsm, anchors).await.map_err(failed)?;
    Ok((Acceptor::new(listen(&loopback).await.map_err(failed)?), service))
}
