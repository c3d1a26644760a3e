//! The states of a document. [`UnverifiedDocument::parse`] creates the first state. A single function,
//! `verify`, creates the second.

use std::marker::PhantomData;

use super::cache_hit::CacheHit;
use super::chain::Chain;
use super::claims::Claims;
use super::debug_mode::{DebugMode, check_debug_mode};
use super::document_age::{MaxAge, check_age, check_timestamp_not_in_future};
use super::malformed_document::MalformedDocument;
use super::parsed_document::ParsedDocument;
use super::recipient_key::{RecipientKey, RecipientKeyError};
use super::sig_structure;
use super::signature_cache::cache_key;
use super::trust_anchors::{Trust, TrustAnchors};
use super::untrusted_document::UntrustedDocument;
use super::validity::ChainValidity;
use super::verification_time::{ClockReading, ClockSource, VerificationTime};
use super::verifier_caches::Caches;
use crate::time::UnixMillis;

/// A document that satisfies rules 1 to 8. The claims are not verified yet, so they are not accessible.
#[derive(Debug)]
pub struct UnverifiedDocument {
    document: ParsedDocument,
}

/// A document that was valid under the trust anchors of `T` at the time of verification.
#[derive(Debug)]
pub struct VerifiedDocument<T: Trust> {
    document: ParsedDocument,
    trust: PhantomData<T>,
}

impl UnverifiedDocument {
    /// Parses a document and checks its form: rules 1 to 8.
    ///
    /// # Errors
    /// The first rule that `bytes` break.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, MalformedDocument> {
        ParsedDocument::parse(bytes).map(|document| Self { document })
    }

    /// Checks rules 9 to 17 at the time `now`, for a document that was just received.
    ///
    /// # Errors
    /// The first rule that the document breaks.
    pub fn verify_live<T: Trust>(
        self,
        anchors: &TrustAnchors<T>,
        now: ClockReading,
        max_age: MaxAge,
        debug_mode: DebugMode,
    ) -> Result<VerifiedDocument<T>, UntrustedDocument> {
        let verified = self.verify(anchors, &Caches::DISABLED, now, Some(max_age), debug_mode);
        verified.map(|(document, _)| document)
    }

    /// Checks rules 9 to 17 except 14 at the document's own timestamp, for a stored document.
    ///
    /// The result shows that the document was valid at that time. It does not show that the document is valid
    /// now.
    ///
    /// # Errors
    /// The first rule that the document breaks.
    pub fn verify_at_document_time<T: Trust>(
        self,
        anchors: &TrustAnchors<T>,
        debug_mode: DebugMode,
    ) -> Result<VerifiedDocument<T>, UntrustedDocument> {
        let at = ClockReading { source: ClockSource::Document, time: self.claims().timestamp() };
        let verified = self.verify(anchors, &Caches::DISABLED, at, None, debug_mode);
        verified.map(|(document, _)| document)
    }

    /// Returns the claims without verification. They may be displayed, but must not be used for a decision.
    pub fn dangerous_unverified_claims(&self) -> Claims<'_> {
        self.claims()
    }

    /// Checks rules 9 to 17 at the time `at`. Checks rule 14 only if `live` contains a maximum age.
    ///
    /// Signatures in `caches` are not verified again. The second returned value is the part of the document
    /// that was cached.
    pub(super) fn verify<T: Trust>(
        self,
        anchors: &TrustAnchors<T>,
        caches: &Caches,
        at: ClockReading,
        live: Option<MaxAge>,
        debug_mode: DebugMode,
    ) -> Result<(VerifiedDocument<T>, CacheHit), UntrustedDocument> {
        let cache = &caches.documents;
        let key = cache.is_enabled().then(|| cache_key([self.document.as_bytes()]));
        let (validity, unverified_chain) = match key.and_then(|key| cache.get(&key)) {
            // Rules 9 to 12, 15 and 16 were checked for these bytes before.
            Some(validity) => (validity, None),
            None => {
                // 9 to 12
                let chain = self.parse_chain(anchors)?;
                (chain.validity(), Some(chain))
            }
        };
        // 13 and 14
        let signed_at = self.claims().timestamp();
        check_times(&validity, VerificationTime { reading: at, signed_at }, live)?;
        let mut hit = CacheHit::Document;
        if let Some(chain) = unverified_chain {
            // 15 and 16: the first signatures
            let verify = || {
                hit = self.verify_signatures(
                    &chain,
                    caches,
                    validity.clamped_to_not_before(at.time),
                )?;
                Ok(validity)
            };
            cache.get_or_verify(|| key.unwrap_or_default(), verify)?;
        }
        // 17
        check_debug_mode(self.claims().pcrs(), debug_mode)?;
        Ok((VerifiedDocument { document: self.document, trust: PhantomData }, hit))
    }

    /// Parses the chain and checks rules 9 to 12.
    fn parse_chain<T: Trust>(
        &self,
        anchors: &TrustAnchors<T>,
    ) -> Result<Chain<'_>, UntrustedDocument> {
        let claims = self.claims();
        let chain = Chain::parse(claims.cabundle(), claims.certificate())?;
        chain.check_anchor(anchors)?;
        Ok(chain)
    }

    /// Checks rules 15 and 16.
    fn verify_signatures(
        &self,
        chain: &Chain<'_>,
        caches: &Caches,
        at: UnixMillis,
    ) -> Result<CacheHit, UntrustedDocument> {
        let hit = chain.verify_signatures(&caches.chains, &caches.leaves, at)?;
        let payload = self.document.signed_payload();
        sig_structure::verify_signature(
            payload,
            self.claims().signature(),
            chain.leaf().public_key(),
        )?;
        Ok(hit)
    }

    fn claims(&self) -> Claims<'_> {
        Claims::new(&self.document)
    }
}

impl<T: Trust> VerifiedDocument<T> {
    /// Returns the claims, which the Nitro hypervisor signed under the trust anchors of `T`.
    pub fn claims(&self) -> Claims<'_> {
        Claims::new(&self.document)
    }

    /// Returns the recipient's key, to which data can be sealed.
    ///
    /// # Errors
    /// If the document has no `public_key`, or if the key is not allowed.
    pub fn recipient_key(&self) -> Result<RecipientKey, RecipientKeyError> {
        RecipientKey::parse(self.claims().public_key().ok_or(RecipientKeyError::Absent)?)
    }
}

/// Checks rule 13, and rule 14 if `live` contains a maximum age.
fn check_times(
    validity: &ChainValidity,
    at: VerificationTime,
    live: Option<MaxAge>,
) -> Result<(), UntrustedDocument> {
    // If the verifier's clock is behind, both this check and the check of the certificates may fail. This
    // check comes first, because its error names the clock instead of a certificate.
    if live.is_some() {
        check_timestamp_not_in_future(at)?;
    }
    validity.check(at)?;
    if let Some(max_age) = live {
        let leaf = validity.leaf().ok_or(UntrustedDocument::InvalidChainPath)?;
        check_age(at, max_age, leaf.not_before)?;
    }
    Ok(())
}
