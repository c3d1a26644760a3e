//! A platform whose module works, for tests of what stands on one.

use attestation::{Production, TrustAnchors};
use nsm_device::{NsmError, Request};

use super::Platform;
use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::config::{Config, Profile};
use crate::nsm::fake::{CallResult, FakeNsm, working};
use crate::service::Service;

/// AWS's anchors, and nobody who could sign under them.
pub(crate) struct FakePlatform;

impl Platform for FakePlatform {
    type Trust = Production;
    type Nsm = FakeNsm<fn(usize, &Request) -> Option<CallResult>>;
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }
}

/// A service that answers everybody.
pub(crate) async fn service() -> Service<FakePlatform> {
    service_on(working()).await
}

/// One whose module signs a document when it starts, and none later.
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
