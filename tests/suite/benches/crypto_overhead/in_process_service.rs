//! The service in this process, without HTTP.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attestation::TrustAnchors;
use enclave::Service;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::{Config, Profile};
use enclave::platform::Simulated;
use enclave::request::{ConnectionKey, RequestContext, RequestId, TransportSecurity};
use hyper::http::request::Parts;
use kms_api::NumberOfBytes;
use simulator::{SimulatedNsm, SimulatedPki};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::documents::parse;
use crate::load::BoxError;

/// Number of concurrent requests in measurements with several threads.
const CONCURRENT_REQUESTS: usize = 16;

/// A service, and the single thread that calls it.
pub(crate) struct InProcessService {
    runtime: Runtime,
    service: Rc<Service<Simulated<SystemClock>>>,
}

impl InProcessService {
    /// Starts a service that trusts `root`. `verification` is the content of the table
    /// `[verification]` in its configuration.
    pub(crate) fn start(root: &[u8], verification: &str) -> Result<Self, BoxError> {
        let file = tempfile::NamedTempFile::new()?;
        let lines = ["[recipient]\nmax_age = 900\n[verification]\n", verification].concat();
        fs::write(&file, lines)?;
        let settings = Config::load(Some(file.path()))?.settings(Profile::Development)?;
        let pki = Arc::new(SimulatedPki::new(Arc::new(|| SystemClock.now()))?);
        let nsm = SimulatedNsm::new(Arc::clone(&pki));
        let platform = Simulated::new(pki, SystemClock, nsm.readiness());
        let anchors = TrustAnchors::simulator_root(root);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let service = Service::start(platform, nsm, anchors, settings, Audit::disabled());
        let service = Rc::new(runtime.block_on(service)?);
        Ok(Self { runtime, service })
    }

    /// Returns how often per second this thread can run steps 4 to 7 for the next document of
    /// `documents`. The time for parsing is not included.
    pub(crate) fn rate(&self, documents: &mut Cycle<'_>, round: Duration) -> Result<f64, BoxError> {
        let number_of_bytes = NumberOfBytes::new(32).ok_or("32 is not a valid NumberOfBytes")?;
        let (mut spent, mut count) = (Duration::ZERO, 0_u32);
        while count == 0 || spent < round {
            let document = parse(documents.next())?;
            let start = Instant::now();
            let response = self.service.generate_attested(number_of_bytes, document);
            let response = self.runtime.block_on(response);
            spent += start.elapsed();
            drop(response.map_err(|error| format!("{error:?}"))?);
            count += 1;
        }
        Ok(f64::from(count) / spent.as_secs_f64())
    }

    /// Handles the next `number` documents, so that the service has cached them.
    pub(crate) fn warm_up(&self, documents: &mut Cycle<'_>, number: usize) -> Result<(), BoxError> {
        (0..number).try_for_each(|_| self.rate(documents, Duration::ZERO).map(drop))
    }

    /// Returns the number of whole requests per second. The requests use the bodies in turn. Enough
    /// requests are concurrent to keep all threads busy.
    pub(crate) fn parallel_rate(
        &self,
        bodies: &Rc<Vec<String>>,
        round: Duration,
    ) -> Result<f64, BoxError> {
        let head = Rc::new(head()?);
        let next = Rc::new(RefCell::new(0_usize));
        let local = LocalSet::new();
        let start = Instant::now();
        let clients: Vec<_> = (0..CONCURRENT_REQUESTS)
            .map(|_| {
                let (service, head) = (Rc::clone(&self.service), Rc::clone(&head));
                let (bodies, next) = (Rc::clone(bodies), Rc::clone(&next));
                local.spawn_local(async move {
                    let mut count = 0_u32;
                    while start.elapsed() < round {
                        let number = next.replace_with(|number| *number + 1);
                        let body = bodies
                            .get(number % bodies.len())
                            .ok_or("there are no request bodies")?
                            .as_bytes();
                        let (id, transport_security) =
                            (RequestId::random(), TransportSecurity::NoTls);
                        let request = RequestContext {
                            id,
                            connection: ConnectionKey::new(0, None),
                            transport_security,
                            client_addr: None,
                            head: &head,
                            body,
                        };
                        let response = service.respond(request);
                        let response = response.await.into_hyper(id, SystemClock.now());
                        if response.status() != 200 {
                            return Err(BoxError::from("a request was rejected"));
                        }
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        let mut count = 0;
        self.runtime.block_on(local.run_until(async {
            for client in clients {
                count += client.await.map_err(|_| "a client panicked")??;
            }
            Ok::<(), BoxError>(())
        }))?;
        Ok(f64::from(count) / start.elapsed().as_secs_f64())
    }
}

fn head() -> Result<Parts, BoxError> {
    let request = hyper::Request::post("/")
        .header("host", "localhost")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "TrentService.GenerateRandom");
    Ok(request.body(())?.into_parts().0)
}

/// An endless iterator that repeats a list of documents.
pub(crate) struct Cycle<'a> {
    documents: &'a [Vec<u8>],
    next: usize,
}

impl<'a> Cycle<'a> {
    pub(crate) fn over(documents: &'a [Vec<u8>]) -> Self {
        Self { documents, next: 0 }
    }

    fn next(&mut self) -> &'a [u8] {
        let document = self.documents.get(self.next % self.documents.len());
        self.next += 1;
        document.map_or(&[], Vec::as_slice)
    }
}
