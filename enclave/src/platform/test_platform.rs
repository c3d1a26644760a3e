//! A platform with a working NSM, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use attestation::{Production, TrustAnchors};
use nsm_device::{NsmError, Request};

use super::Platform;
use crate::audit::Audit;
use crate::clock::{PauseDetector, SystemClock};
use crate::config::{Config, Profile, Settings};
use crate::nsm::test_nsm::{CallResult, TestNsm};
use crate::service::Service;

/// A platform with the trust anchors of AWS, under which no test can sign.
pub(crate) struct TestPlatform;

impl Platform for TestPlatform {
    type Trust = Production;
    type Nsm = TestNsm<Box<dyn FnMut(usize, &Request) -> Option<CallResult> + Send>>;
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }
}

/// Returns a service that accepts all callers.
pub(crate) async fn service() -> Service<TestPlatform> {
    service_on(TestNsm::new(Box::new(|_, _| None))).await
}

/// Returns a service whose NSM signs the two documents of the start, but no later document.
pub(crate) async fn service_with_failing_clock_sync() -> Service<TestPlatform> {
    let mut documents = 0;
    service_on(TestNsm::new(Box::new(move |_, request| {
        documents += usize::from(matches!(request, Request::Attestation { .. }));
        let fails = matches!(request, Request::Attestation { .. }) && documents > 2;
        fails.then_some(Err(NsmError::Malformed))
    })))
    .await
}

/// Returns a service whose NSM fetches blocks only on demand. While `is_pausing` is true, a pause of this process
/// occurs during the call for a block, and the NSM signs no document.
pub(crate) async fn service_that_pauses(is_pausing: Arc<AtomicBool>) -> Service<TestPlatform> {
    let pauses = PauseDetector::global();
    let override_call = move |_: usize, request: &Request| {
        let is_pausing = is_pausing.load(Ordering::Relaxed);
        match request {
            Request::GetRandom if is_pausing => pauses.simulate_pause(),
            Request::Attestation { .. } if is_pausing => return Some(Err(NsmError::Malformed)),
            _ => {}
        }
        None
    };
    let mut settings = Config::default().settings(Profile::Development).unwrap();
    settings.entropy.nsm.prefetch = 0;
    start(TestNsm::new(Box::new(override_call)), settings).await
}

async fn service_on(nsm: <TestPlatform as Platform>::Nsm) -> Service<TestPlatform> {
    start(nsm, Config::default().settings(Profile::Development).unwrap()).await
}

async fn start(nsm: <TestPlatform as Platform>::Nsm, settings: Settings) -> Service<TestPlatform> {
    let anchors = TrustAnchors::aws_nitro();
    Service::start(TestPlatform, nsm, anchors, settings, Audit::disabled()).await.unwrap()
}
