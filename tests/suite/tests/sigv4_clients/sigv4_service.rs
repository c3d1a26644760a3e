//! A service with `tests/suite/sigv4/config.toml` behind a relay.

use std::path::Path;

use attested_recipient::UnixMillis;
use enclave::clock::{Clock, SystemClock};

use crate::clients::{RelayedService, TestKey};
use crate::sigv4::{Attempt, AuditTrail, simulator};

/// A relay in front of a simulated enclave that requires signatures.
#[derive(Debug)]
pub(super) struct SigV4Service {
    relayed: RelayedService,
    trail: AuditTrail,
}

impl SigV4Service {
    /// Starts a service with the correct time.
    pub(super) fn start() -> Self {
        Self::start_at(|| SystemClock.now())
    }

    /// Starts a service with the clock `now`.
    pub(super) fn start_at(now: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("sigv4/config.toml");
        let (simulator, trail) = simulator(&config, now);
        Self { relayed: RelayedService::enclave(simulator), trail }
    }

    /// Returns the relay's URL.
    pub(super) fn endpoint_url(&self) -> &str {
        self.relayed.endpoint_url()
    }

    /// Returns a fresh document with `key`.
    pub(super) fn document(&self, key: &TestKey) -> Vec<u8> {
        self.relayed.document(&key.document())
    }

    /// Stops the service and returns all recorded attempts.
    pub(super) fn attempts(self) -> Vec<Attempt> {
        let Self { relayed, trail } = self;
        drop(relayed);
        trail.attempts()
    }
}
