//! The calls of the NSM. This module monitors and counts each call, and tests the random bytes.
//!
//! No code formats a [`Response`], because its Debug output contains the random bytes.

use std::sync::Arc;
use std::time::Instant;

use attestation::time::UnixMillis;
use attestation::{PcrValue, nsm_timestamp};
use nsm_device::{Nsm, Request, Response};
use zeroize::{Zeroize, Zeroizing};

use super::block::Block;
use super::current_document::CurrentDocument;
use super::fault::NsmFault;
use super::metrics::{NsmCall, NsmCalls, NsmMetrics};
use super::watchdog::CallMonitor;
use crate::health::HealthTests;
use crate::pcr_extension::extended_once;

/// An NSM with its call monitor, health tests and metrics, and the identity that its documents attest.
pub(super) struct Device<N> {
    nsm: N,
    monitor: Arc<CallMonitor>,
    health: HealthTests,
    metrics: Arc<NsmMetrics>,
    /// The `user_data` of all documents. `None` before the identity is set.
    identity: Option<Vec<u8>>,
    current_document: Arc<CurrentDocument>,
}

impl<N: Nsm> Device<N> {
    pub(super) fn new(
        nsm: N,
        monitor: Arc<CallMonitor>,
        metrics: Arc<NsmMetrics>,
        current_document: Arc<CurrentDocument>,
    ) -> Self {
        let health = HealthTests::new();
        Self { nsm, monitor, health, metrics, identity: None, current_document }
    }

    /// Returns a fresh block that passed all health tests.
    pub(super) fn block(&mut self) -> Result<Block, NsmFault> {
        let random = self.call(
            |calls| &calls.get_random,
            Request::GetRandom,
            |response| match response {
                Response::GetRandom { random } => Some(Zeroizing::new(random)),
                other => zeroize_unexpected(other),
            },
        )?;
        self.health.check_block(&random)?;
        Ok(Block::new(random))
    }

    /// Returns the time at which the NSM signed a document. The document becomes the current document.
    ///
    /// The service does not verify the signature of the document, because it trusts the local NSM.
    pub(super) fn time(&mut self) -> Result<UnixMillis, NsmFault> {
        let document = self.attest(None, self.identity.clone())?;
        let time = nsm_timestamp(&document).map_err(|_| NsmFault::NoTimestamp)?;
        if self.identity.is_some() {
            self.current_document.set(&document);
        }
        Ok(time)
    }

    /// Returns an attestation document of this enclave with `nonce` and the identity.
    pub(super) fn document(&mut self, nonce: Vec<u8>) -> Result<Vec<u8>, NsmFault> {
        self.attest(Some(nonce), self.identity.clone())
    }

    /// Returns an attestation document with `user_data`, which becomes the identity. The document becomes the current
    /// document. After a fault, the identity and the current document are unchanged.
    pub(super) fn set_identity(&mut self, user_data: Vec<u8>) -> Result<Vec<u8>, NsmFault> {
        let document = self.attest(None, Some(user_data.clone()))?;
        self.identity = Some(user_data);
        self.current_document.set(&document);
        Ok(document)
    }

    fn attest(
        &mut self,
        nonce: Option<Vec<u8>>,
        user_data: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, NsmFault> {
        let (nonce, user_data) = (nonce.map(Into::into), user_data.map(Into::into));
        let request = Request::Attestation { user_data, nonce, public_key: None };
        self.call(
            |calls| &calls.attestation,
            request,
            |response| match response {
                Response::Attestation { document } => Some(document),
                other => zeroize_unexpected(other),
            },
        )
    }

    /// Extends a PCR by `digest`, and locks the PCR until the enclave ends.
    ///
    /// Fails if the PCR was not zero before.
    pub(super) fn measure(&mut self, index: u16, digest: PcrValue) -> Result<(), NsmFault> {
        let request = Request::ExtendPCR { index, data: digest.to_vec() };
        let value = self.call(
            |calls| &calls.extend_pcr,
            request,
            |response| match response {
                Response::ExtendPCR { data } => Some(data),
                other => zeroize_unexpected(other),
            },
        )?;
        if value != extended_once(digest) {
            return Err(NsmFault::Register { index });
        }
        self.lock(index)
    }

    /// Locks a PCR until the enclave ends.
    pub(super) fn lock(&mut self, index: u16) -> Result<(), NsmFault> {
        self.call(
            |calls| &calls.lock_pcr,
            Request::LockPCR { index },
            |response| match response {
                Response::LockPCR => Some(()),
                other => zeroize_unexpected(other),
            },
        )
    }

    /// Returns PCR0, the measurement of this enclave's image.
    pub(super) fn pcr0(&mut self) -> Result<Vec<u8>, NsmFault> {
        self.call(
            |calls| &calls.describe_pcr,
            Request::DescribePCR { index: 0 },
            |response| match response {
                Response::DescribePCR { data, .. } => Some(data),
                other => zeroize_unexpected(other),
            },
        )
    }

    /// Makes one call and extracts the result. `extract` must zeroize random bytes that are not part of its
    /// result.
    fn call<T>(
        &mut self,
        counters: fn(&NsmCalls) -> &NsmCall,
        request: Request,
        extract: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T, NsmFault> {
        let Self { nsm, monitor, metrics, .. } = self;
        let counters = counters(&metrics.calls);
        counters.begin();
        let start = Instant::now();
        let result = monitor.call(|| match nsm.process(request)? {
            Response::Error(code) => Err(NsmFault::error_response(&code)),
            response => extract(response).ok_or(NsmFault::UnexpectedResponse),
        });
        counters.end(start.elapsed());
        result.unwrap_or(Err(NsmFault::Hung { limit: monitor.limit() }))
    }
}

/// Zeroizes the random bytes of a response to another request.
fn zeroize_unexpected<T>(response: Response) -> Option<T> {
    if let Response::GetRandom { mut random } = response {
        random.zeroize();
    }
    None
}
