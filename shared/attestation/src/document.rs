//! From bytes to a document that is trusted: one function alone crosses each border.

use std::marker::PhantomData;
use std::ops::Range;

use super::chain::Chain;
use super::cose;
use super::envelope::Envelope;
use super::error::{MalformedDocument, UntrustedDocument};
use super::judged_at::{ClockReading, JudgedAt, JudgingClock};
use super::known;
use super::payload::Payload;
use super::pcr::Pcrs;
use super::recipient_key::{RecipientKey, RecipientKeyError};
use super::trust::{Trust, TrustAnchors};
use super::verifier::{Familiarity, Memory};
use crate::time::UnixMillis;

/// How far a document's timestamp, and the start of its certificates' validity, may be ahead of the clock
/// that judges, in seconds.
pub const MAX_CLOCK_SKEW_SECS: u64 = 60;

/// How old a live document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// At most so many seconds.
    Seconds(u64),
    /// As long as its certificates are valid: about three hours.
    Chain,
}

impl Default for MaxAge {
    fn default() -> Self {
        Self::Seconds(300)
    }
}

/// What to do with an enclave in debug mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugMode {
    /// Refuse it.
    #[default]
    Refuse,
    /// Trust it, although the parent instance can read its console. For development.
    Allow,
}

/// A document of the right form. Nothing in it is known to be true, so nothing in it can be read.
#[derive(Debug)]
pub struct UnverifiedDocument {
    bytes: Vec<u8>,
    /// What is signed, and the signature.
    envelope: Envelope,
    payload: Payload,
}

/// A document that was signed in the world `T`, and held at the time it was judged.
#[derive(Debug)]
pub struct VerifiedDocument<T: Trust> {
    document: UnverifiedDocument,
    trust: PhantomData<T>,
}

/// What a document says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    document: &'a UnverifiedDocument,
}

impl UnverifiedDocument {
    /// Rules 1 to 8: the form.
    ///
    /// # Errors
    /// The first rule that `bytes` break.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, MalformedDocument> {
        let envelope = Envelope::parse(&bytes)?;
        let payload = Payload::parse(&bytes, envelope.payload.clone())?;
        Ok(Self { bytes, envelope, payload })
    }

    /// Rules 9 to 17, for a document in use now: it is judged at `now`, and must be fresh.
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
        let verified = self.verify(anchors, &Memory::NONE, now, Some(max_age), debug_mode);
        verified.map(|(document, _)| document)
    }

    /// Rules 9 to 17 but 14, for a stored document: it is judged at its own timestamp. That it was
    /// good then says nothing about now.
    ///
    /// # Errors
    /// The first rule that the document breaks.
    pub fn verify_at_document_time<T: Trust>(
        self,
        anchors: &TrustAnchors<T>,
        debug_mode: DebugMode,
    ) -> Result<VerifiedDocument<T>, UntrustedDocument> {
        let at = ClockReading { clock: JudgingClock::Document, time: self.payload.timestamp };
        let verified = self.verify(anchors, &Memory::NONE, at, None, debug_mode);
        verified.map(|(document, _)| document)
    }

    /// What the document claims, true or not: to show to a person, never to decide upon.
    pub fn dangerous_unverified_claims(&self) -> Claims<'_> {
        self.claims()
    }

    /// Beside what is verified, how much of it had been before, as `memory` has it.
    pub(super) fn verify<T: Trust>(
        self,
        anchors: &TrustAnchors<T>,
        memory: &Memory,
        at: ClockReading,
        live: Option<MaxAge>,
        debug_mode: DebugMode,
    ) -> Result<(VerifiedDocument<T>, Familiarity), UntrustedDocument> {
        let known = &memory.documents;
        let name = known.is_kept().then(|| known::name([&self.bytes[..]]));
        let found = name.and_then(|name| known.find(&name));
        let (lifetimes, chain) = match found {
            // 9 to 12, 15 and 16 hold of these bytes
            Some(lifetimes) => (lifetimes, None),
            None => {
                let chain = self.arrange(anchors)?;
                (chain.lifetimes(), Some(chain))
            }
        };
        let judged_at = JudgedAt { reading: at, signed_at: self.payload.timestamp };
        // Of 14: a clock that is behind is told so, and not of the first certificate of many
        if live.is_some() {
            check_not_from_the_future(judged_at)?;
        }
        // 13
        lifetimes.check(judged_at)?;
        // The rest of 14
        if let Some(max_age) = live {
            let leaf = lifetimes.of_leaf().ok_or(UntrustedDocument::ChainPath)?;
            check_age(judged_at, max_age, leaf.not_before)?;
        }
        let mut familiarity = Familiarity::Document;
        if let Some(chain) = chain {
            // 15 and 16: the first signatures
            let verify = || {
                familiarity = self.verify_signatures(&chain, memory, lifetimes.begun(at.time))?;
                Ok(lifetimes)
            };
            known.verify(|| name.unwrap_or_default(), verify)?;
        }
        // 17
        if debug_mode == DebugMode::Refuse && self.claims().pcrs().is_debug_mode() {
            return Err(UntrustedDocument::DebugMode);
        }
        Ok((VerifiedDocument { document: self, trust: PhantomData }, familiarity))
    }

    /// Rules 9 to 12: what every certificate is by itself, and beside the others.
    fn arrange<T: Trust>(&self, anchors: &TrustAnchors<T>) -> Result<Chain<'_>, UntrustedDocument> {
        let claims = self.claims();
        // 9 to 11: each certificate's form and role, and their order
        let chain = Chain::arrange(claims.cabundle(), claims.certificate())?;
        // 12
        chain.check_anchor(anchors)?;
        Ok(chain)
    }

    /// Rules 15 and 16, but for what `memory` holds of the chain.
    fn verify_signatures(
        &self,
        chain: &Chain<'_>,
        memory: &Memory,
        at: UnixMillis,
    ) -> Result<Familiarity, UntrustedDocument> {
        // 15
        let familiarity = chain.verify_signatures(&memory.chains, &memory.leaves, at)?;
        // 16
        let signed = self.slice(&self.envelope.payload);
        cose::verify(signed, self.claims().signature(), chain.leaf().public_key())?;
        Ok(familiarity)
    }

    fn claims(&self) -> Claims<'_> {
        Claims { document: self }
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

impl<T: Trust> VerifiedDocument<T> {
    /// What the document says; its signer vouches for it.
    pub fn claims(&self) -> Claims<'_> {
        Claims { document: &self.document }
    }

    /// The key to seal to.
    ///
    /// # Errors
    /// If the document carries none that is fit for it.
    pub fn recipient_key(&self) -> Result<RecipientKey, RecipientKeyError> {
        RecipientKey::parse(self.claims().public_key().ok_or(RecipientKeyError::Absent)?)
    }
}

impl<'a> Claims<'a> {
    fn slice(&self, range: &Range<usize>) -> &'a [u8] {
        self.document.slice(range)
    }

    fn optional(&self, range: &Option<Range<usize>>) -> Option<&'a [u8]> {
        range.as_ref().map(|range| self.slice(range))
    }

    /// Which Nitro Secure Module signed, such as `i-0a6d65e7122308898-enc017846bcd2f820da`.
    pub fn module_id(&self) -> &'a str {
        // The payload's reader has checked that it is UTF-8.
        std::str::from_utf8(self.slice(&self.document.payload.module_id)).unwrap_or_default()
    }

    /// When it signed.
    pub fn timestamp(&self) -> UnixMillis {
        self.document.payload.timestamp
    }

    /// The measurements.
    pub fn pcrs(&self) -> Pcrs<'a> {
        Pcrs::new(&self.document.bytes, &self.document.payload.pcrs)
    }

    /// The leaf certificate, DER.
    pub fn certificate(&self) -> &'a [u8] {
        self.slice(&self.document.payload.certificate)
    }

    /// The certificates from the root to the leaf's issuer, DER.
    pub fn cabundle(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let document = self.document;
        document.payload.cabundle.iter().map(|range| document.slice(range))
    }

    /// The field `public_key`, whatever it holds; 1 to 1,024 bytes.
    pub fn public_key(&self) -> Option<&'a [u8]> {
        self.optional(&self.document.payload.public_key)
    }

    /// The field `user_data`; at most 1,024 bytes.
    pub fn user_data(&self) -> Option<&'a [u8]> {
        self.optional(&self.document.payload.user_data)
    }

    /// The field `nonce`; at most 1,024 bytes.
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.optional(&self.document.payload.nonce)
    }

    /// r and s, 48 bytes each.
    pub fn signature(&self) -> &'a [u8] {
        self.slice(&self.document.envelope.signature)
    }
}

/// Rule 14, as far as the clock alone decides.
fn check_not_from_the_future(at: JudgedAt) -> Result<(), UntrustedDocument> {
    if at.signed_at.millis_since(at.reading.time) > MAX_CLOCK_SKEW_SECS * 1000 {
        return Err(UntrustedDocument::FromTheFuture { at });
    }
    Ok(())
}

/// The rest of rule 14. Nor can a document be older than the leaf that signed it.
fn check_age(
    at: JudgedAt,
    max_age: MaxAge,
    not_before: UnixMillis,
) -> Result<(), UntrustedDocument> {
    let timestamp = at.signed_at;
    if let MaxAge::Seconds(max_age_secs) = max_age
        && at.reading.time.millis_since(timestamp) > max_age_secs.saturating_mul(1000)
    {
        return Err(UntrustedDocument::TooOld { max_age_secs, at });
    }
    if timestamp < not_before {
        return Err(UntrustedDocument::OlderThanLeaf { timestamp, not_before });
    }
    Ok(())
}
