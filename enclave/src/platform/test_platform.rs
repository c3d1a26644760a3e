//! A platform with a working NSM, for tests.

use attestation::{Production, TrustAnchors};
use nsm_device::{NsmError, Request};

use super::Platform;
use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::config::{Config, Profile};
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

async fn service_on(nsm: <TestPlatform as Platform>::Nsm) -> Service<TestPlatform> {
    let settings = Config::default().settings(Profile::Development).unwrap();
    let anchors = TrustAnchors::aws_nitro();
    Service::start(TestPlatform, nsm, anchors, settings, Audit::disabled()).await.unwrap()
}
