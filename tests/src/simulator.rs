//! A simulated enclave within the test's own process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::{io, thread};

use enclave::Service;
use enclave::clock::{Clock, SystemClock};
use enclave::platform::Simulated;
use shared::attestation::{self, TrustAnchors};
use shared::crypto::CryptoError;
use shared::simulator::{Now, SimulatedNsm, World};
use shared::time::UnixMillis;
use shared::transport::{Acceptor, Endpoint, ListenError, listen};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::client::{Client, ClientError};
use crate::document::Document;

/// Why no simulator runs.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// No root.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// No thread or runtime.
    #[error(transparent)]
    Runtime(#[from] io::Error),
    /// No port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The service does not start.
    #[error(transparent)]
    Start(#[from] enclave::StartError),
}

/// A simulated enclave that speaks the KMS API on a free port of 127.0.0.1, under a root of its
/// own. It ends when this is dropped.
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
        let world = Arc::new(World::new(world_now)?);
        let anchors = TrustAnchors::simulator_root(world.root_certificate());
        let nsm = SimulatedNsm::new(Arc::clone(&world));
        let platform = Simulated::new(Arc::clone(&world), now);

        let (stop, stopped) = oneshot::channel::<()>();
        let (started, start) = mpsc::channel();
        // The runtime lives and dies on this thread: a caller may be within a runtime of its own.
        let thread = thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            let listening = Runtime::new().map_err(SimulatorError::from).and_then(|runtime| {
                let (acceptor, service) =
                    runtime.block_on(listen_and_start(platform, nsm, anchors))?;
                Ok((runtime, acceptor, service))
            });
            match listening {
                Ok((runtime, acceptor, service)) => {
                    // Whoever started it has gone if it does not want to know.
                    drop(started.send(Ok(acceptor.local_endpoint().clone())));
                    runtime.block_on(enclave::http::serve(acceptor, service, async {
                        // Dropped without a word counts as well.
                        drop(stopped.await);
                    }));
                }
                Err(error) => drop(started.send(Err(error))),
            }
        })?;
        let endpoint = start.recv().map_err(io::Error::other)??;
        let address = match endpoint {
            Endpoint::Tcp(address) => address.parse().map_err(io::Error::other)?,
            other => return Err(io::Error::other(format!("listening on {other}")).into()),
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
    let service = Service::start(platform, nsm, anchors).await?;
    Ok((Acceptor::new(listen(&loopback).await?), service))
}
