//! A build that loads no PKCS#11 module: it knows what an HSM is, and has none.

use std::sync::Arc;
use std::time::Instant;

use kms_api::{ConnectionErrorCode, ConnectionState};

use super::fault::KeyStoreFault;
use super::settings::{HsmSettings, KeyStoreErrorReason};
use crate::entropy::RandomBytes;
use crate::key_store::metrics::KeyStoreMetrics;

/// None, of nothing.
#[derive(Debug, Default)]
pub(super) struct Claims {}

/// None.
#[derive(Debug)]
pub(super) enum Hsm {}

impl Hsm {
    pub(super) fn new(
        _id: &str,
        _settings: HsmSettings,
        _claims: &Arc<Claims>,
        _metrics: &Arc<KeyStoreMetrics>,
    ) -> Result<Self, KeyStoreErrorReason> {
        Err(KeyStoreErrorReason::NoPkcs11)
    }

    pub(super) fn connect(&mut self) -> Result<(), KeyStoreErrorReason> {
        match *self {}
    }

    pub(super) fn state(&self) -> (ConnectionState, Option<ConnectionErrorCode>) {
        match *self {}
    }

    pub(super) async fn draw(&self, _length: usize) -> Result<RandomBytes, KeyStoreFault> {
        match *self {}
    }

    pub(super) fn close(&self) {
        match *self {}
    }

    pub(super) fn ended(&self, _deadline: Instant) {
        match *self {}
    }
}
