//! The service under `tests/suite/sigv4/config.toml`, behind a relay.

use std::path::Path;

use attested_recipient::UnixMillis;
use enclave::clock::{Clock, SystemClock};

use crate::clients::{RelayedService, TestKey};
use crate::sigv4::{Attempt, AuditTrail, simulator};

/// A relay in front of a simulated enclave that lets in who signs.
#[derive(Debug)]
pub(super) struct SigV4Service {
    relayed: RelayedService,
    trail: AuditTrail,
}

impl SigV4Service {
    /// One whose clock is right.
    pub(super) fn start() -> Self {
        Self::start_at(|| SystemClock.now())
    }

    /// One that takes the time from `now`.
    pub(super) fn start_at(now: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("sigv4/config.toml");
        let (simulator, trail) = simulator(&config, now);
        Self { relayed: RelayedService::enclave(simulator), trail }
    }

    /// The relay's.
    pub(super) fn endpoint_url(&self) -> &str {
        self.relayed.endpoint_url()
    }

    /// A fresh document of an enclave that has `key`.
    pub(super) fn document(&self, key: &TestKey) -> Vec<u8> {
        self.relayed.document(&key.document())
    }

    /// Ends it: all that anybody has attempted.
    pub(super) fn attempts(self) -> Vec<Attempt> {
        let Self { relayed, trail } = self;
        drop(relayed);
        trail.attempts()
    }
}
