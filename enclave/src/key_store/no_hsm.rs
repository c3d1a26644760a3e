//! A build that loads no PKCS#11 module: it knows what an HSM is, and has none.

use std::sync::Arc;

use shared::kms::{ConnectionErrorCode, ConnectionState};

use super::fault::KeyStoreFault;
use super::settings::{HsmSettings, KeyStoreErrorReason};
use crate::entropy::RandomBytes;
use crate::metrics::Metrics;

/// None.
#[derive(Debug)]
pub(super) enum Hsm {}

impl Hsm {
    pub(super) fn start(
        _id: &str,
        _settings: HsmSettings,
        _metrics: &Arc<Metrics>,
    ) -> Result<Self, KeyStoreErrorReason> {
        Err(KeyStoreErrorReason::NoPkcs11)
    }

    pub(super) fn state(&self) -> (ConnectionState, Option<ConnectionErrorCode>) {
        match *self {}
    }

    pub(super) async fn draw(&self, _length: usize) -> Result<RandomBytes, KeyStoreFault> {
        match *self {}
    }
}
