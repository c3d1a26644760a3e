//! A store as all its threads see it.

use std::sync::{Arc, Mutex, PoisonError};

use super::claims::{Claim, Claims};
use super::fault::HsmFault;
use super::link::{Connection, Link};
use super::module::Module;
use crate::entropy::{HealthFault, HealthTests};
use crate::key_store::metrics::KeyStoreMetrics;

/// What all threads of a store have.
pub(super) struct Store {
    /// For the log.
    pub(super) id: String,
    pub(super) module: Arc<Module>,
    pub(super) link: Arc<Link>,
    pub(super) claims: Arc<Claims>,
    /// That of the token of the connection that there is.
    pub(super) claim: Mutex<Option<Arc<Claim>>>,
    /// Or how they failed, for good.
    pub(super) health: Mutex<Result<HealthTests, HealthFault>>,
    pub(super) metrics: Arc<KeyStoreMetrics>,
}

impl Store {
    /// Tests what the HSM gave. After a first failure nothing passes.
    pub(super) fn test(&self, output: &[u8]) -> Result<(), HsmFault> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let tests = health.as_mut().map_err(|fault| *fault)?;
        if let Err(fault) = tests.check(output) {
            *health = Err(fault);
            return Err(fault.into());
        }
        Ok(())
    }

    /// Of the token of the connection that there is.
    pub(super) fn claim(&self) -> Result<Arc<Claim>, HsmFault> {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        claim.clone().ok_or(HsmFault::Lost)
    }

    pub(super) fn set_claim(&self, claim: Option<Arc<Claim>>) {
        *self.claim.lock().unwrap_or_else(PoisonError::into_inner) = claim;
    }

    /// One thread found that the connection has ended.
    pub(super) fn lost(&self, connection: Connection, fault: &HsmFault) {
        if self.link.lost(connection, fault) {
            self.metrics.failures.inc();
            self.report(fault);
        }
    }

    /// Says what is wrong.
    pub(super) fn report(&self, fault: &HsmFault) {
        let (id, code) = (&self.id, fault.code().name());
        match fault.is_final() {
            true => tracing::error!(
                "key store {id} failed ({code}): {fault}; it is not tried again before a restart"
            ),
            false => tracing::error!("key store {id} failed ({code}): {fault}"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::env;

    use super::*;

    /// One without threads, before a module that nobody loads.
    pub(in super::super) fn store() -> Arc<Store> {
        Arc::new(Store {
            id: "cks-a".to_owned(),
            module: Module::at(&env::current_exe().unwrap()).unwrap(),
            link: Arc::new(Link::new()),
            claims: Arc::default(),
            claim: Mutex::new(None),
            health: Mutex::new(Ok(HealthTests::new())),
            metrics: KeyStoreMetrics::unregistered(),
        })
    }

    #[test]
    fn nothing_is_good_after_bytes_that_are_not() {
        let store = store();
        assert_eq!(store.test(&[1, 2, 4]), Ok(()));
        let unhealthy = Err(HsmFault::Unhealthy(HealthFault::RepetitionCount));
        assert_eq!(store.test(&[7; 32]), unhealthy);
        assert_eq!(store.test(&[8, 16, 32]), unhealthy);
    }
}
