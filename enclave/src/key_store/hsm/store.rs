//! The parts of a key store that all its threads share.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::fault::HsmFault;
use super::connection_state::Connection;
use super::module::Module;
use super::shared_state::StoreState;
use super::token_registry::{TokenClaim, TokenRegistry};
use crate::health::{HealthFault, HealthTests};
use crate::key_store::metrics::KeyStoreMetrics;

/// The parts of a key store that all its threads share.
pub(super) struct Store {
    /// Identifier for the log.
    pub(super) id: String,
    pub(super) module: Arc<Module>,
    pub(super) state: StoreState,
    registry: Arc<TokenRegistry>,
    /// Claim on the token of the current connection or attempt.
    claim: Mutex<Option<Arc<TokenClaim>>>,
    /// Health tests of the output, or their first failure.
    health: Mutex<Result<HealthTests, HealthFault>>,
    pub(super) metrics: Arc<KeyStoreMetrics>,
}

impl Store {
    /// Returns a store that is not connected.
    pub(super) fn new(
        id: &str,
        module: Arc<Module>,
        registry: &Arc<TokenRegistry>,
        metrics: &Arc<KeyStoreMetrics>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            module,
            state: StoreState::default(),
            registry: Arc::clone(registry),
            claim: Mutex::new(None),
            health: Mutex::new(Ok(HealthTests::new())),
            metrics: Arc::clone(metrics),
        }
    }

    /// Tests output of the HSM. After the first failure, no output passes.
    pub(super) fn test(&self, output: &[u8]) -> Result<(), HsmFault> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let tests = health.as_mut().map_err(|fault| *fault)?;
        if let Err(fault) = tests.check(output) {
            *health = Err(fault);
            return Err(fault.into());
        }
        Ok(())
    }

    /// Claims the token in this slot for the next connection.
    pub(super) fn claim_token(&self, slot: u64) -> Result<(), HsmFault> {
        let claim = self.registry.claim(self.module.path().to_owned(), slot, &self.id);
        let claim = claim.map_err(|store| HsmFault::TokenClaimed { store })?;
        self.set_claim(Some(Arc::new(claim)));
        Ok(())
    }

    /// Returns the claim on the token of the current connection.
    pub(super) fn claim(&self) -> Result<Arc<TokenClaim>, HsmFault> {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        claim.clone().ok_or(HsmFault::ConnectionLost)
    }

    /// Replaces the claim. The old token stays claimed until its last session is closed.
    pub(super) fn set_claim(&self, claim: Option<Arc<TokenClaim>>) {
        *self.claim.lock().unwrap_or_else(PoisonError::into_inner) = claim;
    }

    /// Reports that an attempt to connect failed. Logs the fault, unless the last fault was the same.
    pub(super) fn attempt_failed(&self, fault: HsmFault) {
        self.metrics.failures.inc();
        if self.state.fault().as_ref() != Some(&fault) {
            self.log(&fault);
        }
        self.state.attempt_failed(fault);
    }

    /// Reports that a connection has ended. Logs and counts the first report only.
    pub(super) fn connection_lost(&self, connection: Connection, fault: &HsmFault) {
        if self.state.connection_lost(connection, fault) {
            self.metrics.failures.inc();
            self.log(fault);
        }
    }

    /// Logs a fault of the store.
    pub(super) fn log(&self, fault: &HsmFault) {
        let (id, code) = (&self.id, fault.connection_error_code().name());
        match fault.is_final() {
            true => tracing::error!(
                key_store = %id, code, %fault,
                "key store failed; the key store stays failed until this service is \
                 restarted"
            ),
            false => tracing::error!(key_store = %id, code, %fault, "key store failed"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::super::token_registry::TokenLocation;
    use super::*;

    /// The location of a token. No module has a token there.
    pub(in super::super) const LOCATION: TokenLocation =
        TokenLocation { slot: 7, initializations: 1 };

    /// Returns a store without threads, whose module is a file that is not a module.
    pub(in super::super) fn store() -> Arc<Store> {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let module = Module::at(path).unwrap();
        Arc::new(Store::new("cks-a", module, &Arc::default(), &KeyStoreMetrics::unregistered()))
    }

    #[test]
    fn no_output_passes_after_a_failed_health_test() {
        let store = store();
        assert_eq!(store.test(&[1, 2, 4]), Ok(()));
        let unhealthy = Err(HsmFault::Unhealthy(HealthFault::RepetitionCount));
        assert_eq!(store.test(&[7; 32]), unhealthy);
        assert_eq!(store.test(&[8, 16, 32]), unhealthy);
    }

    #[test]
    fn claim_lasts_until_it_is_replaced() {
        let store = store();
        assert_eq!(store.claim().unwrap_err(), HsmFault::ConnectionLost);
        store.claim_token(7).unwrap();
        let other = || store.registry.claim(store.module.path().to_owned(), 7, "cks-b");
        assert_eq!(other().unwrap_err(), "cks-a");
        store.set_claim(None);
        assert!(other().is_ok());
    }

    #[test]
    fn token_of_another_store_is_a_fault() {
        let store = store();
        let path = store.module.path().to_owned();
        let _other = store.registry.claim(path, 7, "cks-b").unwrap();
        let fault = HsmFault::TokenClaimed { store: "cks-b".to_owned() };
        assert_eq!(store.claim_token(7), Err(fault));
        assert!(store.claim().is_err());
    }

    #[test]
    fn only_the_first_loss_of_a_connection_is_counted() {
        let store = store();
        let connection = store.state.connected(LOCATION);
        store.connection_lost(connection, &HsmFault::AmbiguousLabel);
        store.connection_lost(connection, &HsmFault::ConnectionLost);
        assert_eq!(store.state.fault(), Some(HsmFault::AmbiguousLabel));
        assert_eq!(store.metrics.failures.get(), 1);
    }
}
