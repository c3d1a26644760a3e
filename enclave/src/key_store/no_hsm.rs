//! A replacement for HSMs in a build without PKCS#11. It rejects each store that the service would connect.

use std::sync::Arc;
use std::time::Instant;

use kms_api::{ConnectionErrorCode, ConnectionState};

use super::fault::KeyStoreFault;
use super::settings::{HsmSettings, KeyStoreErrorReason};
use crate::entropy::RandomBytes;
use crate::key_store::metrics::KeyStoreMetrics;

/// An empty token registry.
#[derive(Debug, Default)]
pub(super) struct TokenRegistry {}

/// An HSM, which cannot exist in this build.
#[derive(Debug)]
pub(super) enum Hsm {}

impl Hsm {
    pub(super) fn new(
        _id: &str,
        _settings: HsmSettings,
        _registry: &Arc<TokenRegistry>,
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

    pub(super) fn wait_for_threads(&self, _deadline: Instant) {
        match *self {}
    }
}
