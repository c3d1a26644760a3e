//! A platform with a working NSM, for tests.

use attestation::{Production, TrustAnchors};
use nsm_device::{NsmError, Request};

use super::Platform;
use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::config::{Config, Profile};
use crate::nsm::fake::{CallResult, FakeNsm, working};
use crate::service::Service;

/// A platform with the trust anchors of AWS, under which no test can sign.
pub(crate) struct FakePlatform;

impl Platform for FakePlatform {
    type Trust = Production;
    type Nsm = FakeNsm<fn(usize, &Request) -> Option<CallResult>>;
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }
}

/// Returns a service that accepts all callers.
pub(crate) async fn service() -> Service<FakePlatform> {
    service_on(working()).await
}

/// Returns a service whose NSM signs a document at the start and none later.
pub(crate) async fn service_with_failing_clock_sync() -> Service<FakePlatform> {
    service_on(FakeNsm::new(|call, request| match request {
        Request::Attestation { .. } if call > 0 => Some(Err(NsmError::Malformed)),
        _ => None,
    }))
    .await
}

async fn service_on(nsm: <FakePlatform as Platform>::Nsm) -> Service<FakePlatform> {
    let settings = Config::default().settings(Profile::Development).unwrap();
    let anchors = TrustAnchors::aws_nitro();
    Service::start(FakePlatform, nsm, anchors, settings, Audit::disabled()).await.unwrap()
}
