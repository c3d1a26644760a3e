//! Steps 4 to 6: the enclave's document.

use super::error::ReceiptError;
use crate::claims::Claims;
use crate::crypto::{P256_POINT_LENGTH, is_p256_point};
use crate::debug_mode::DebugMode;
use crate::document::{UnverifiedDocument, VerifiedDocument};
use crate::document_age::{MaxAge, check_max_age};
use crate::identity::Identity;
use crate::measurements::MeasurementSets;
use crate::pcr::PcrFamily;
use crate::signed_statement::KeyId;
use crate::time::UnixMillis;
use crate::trust_anchors::{Trust, TrustAnchors};
use crate::verification_time::{ClockReading, VerificationTime};

/// Time for which a client uses a document that it verified live, in seconds after the document's timestamp.
pub const MAX_DOCUMENT_USE_SECS: u64 = 60 * 60;

/// Maximum time between a stored document and the receipt, in seconds.
const MAX_STORED_DISTANCE_SECS: u64 = 24 * 60 * 60;

/// The identity in a document that passed steps 4 to 6.
#[derive(Clone, Debug)]
pub struct VerifiedIdentity {
    identity: Identity,
    module_id: String,
    document_time: UnixMillis,
    set_name: Option<String>,
    set_not_after: Option<UnixMillis>,
}

impl VerifiedIdentity {
    /// Verifies a document that was just received. Without `sets`, step 5 is skipped: only for simulators, whose
    /// documents prove nothing.
    ///
    /// # Errors
    /// The first step that rejects the document.
    pub fn verify_live<T: Trust>(
        document: Vec<u8>,
        anchors: &TrustAnchors<T>,
        sets: Option<&MeasurementSets>,
        now: ClockReading,
    ) -> Result<Self, ReceiptError> {
        let document = UnverifiedDocument::parse(document)?;
        // Only the certificates limit the age here: the maximum age belongs to step 6.
        let verified = document.verify_live(anchors, now, MaxAge::Chain, DebugMode::Reject)?;
        let identity = Self::from_document(&verified, sets)?;
        identity.check_set(now.time)?;
        let at = VerificationTime { reading: now, signed_at: identity.document_time };
        check_max_age(at, MaxAge::default())?;
        Ok(identity)
    }

    /// Verifies a stored document at its own timestamp, which must be within 24 hours of `receipt_time`. Without
    /// `sets`, step 5 is skipped: only for simulators, whose documents prove nothing.
    ///
    /// # Errors
    /// The first step that rejects the document.
    pub fn verify_stored<T: Trust>(
        document: Vec<u8>,
        anchors: &TrustAnchors<T>,
        sets: Option<&MeasurementSets>,
        receipt_time: UnixMillis,
    ) -> Result<Self, ReceiptError> {
        let document = UnverifiedDocument::parse(document)?;
        let verified = document.verify_at_document_time(anchors, DebugMode::Reject)?;
        let identity = Self::from_document(&verified, sets)?;
        identity.check_near(receipt_time)?;
        Ok(identity)
    }

    fn from_document<T: Trust>(
        document: &VerifiedDocument<T>,
        sets: Option<&MeasurementSets>,
    ) -> Result<Self, ReceiptError> {
        let claims = document.claims();
        let identity = identity(&claims)?;
        let set = sets.map(|sets| sets.find_match(claims.pcrs())).transpose()?;
        Ok(Self {
            identity,
            module_id: claims.module_id().to_owned(),
            document_time: claims.timestamp(),
            set_name: set.map(|set| set.name().to_owned()),
            set_not_after: set.and_then(|set| set.not_after()),
        })
    }

    /// Returns the identity.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the identifier of the receipt key.
    pub fn key_id(&self) -> KeyId {
        self.identity.key_id()
    }

    /// Returns the receipt key.
    pub(super) const fn receipt_key(&self) -> &[u8; P256_POINT_LENGTH] {
        &self.identity.receipt_key
    }

    /// Returns the name of the Nitro Secure Module that signed the document.
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// Returns the timestamp of the document.
    pub const fn document_time(&self) -> UnixMillis {
        self.document_time
    }

    /// Returns the name of the set that the registers match. `None` if step 5 was skipped.
    pub fn set_name(&self) -> Option<&str> {
        self.set_name.as_deref()
    }

    /// Returns whether the document may still be used at `now`. If not, the client fetches and verifies a new
    /// document.
    pub const fn is_current(&self, now: UnixMillis) -> bool {
        now.millis_since(self.document_time) <= MAX_DOCUMENT_USE_SECS * 1000
    }

    /// Checks the part of step 5 that depends on a time: the time of a receipt, or the current time. A client of
    /// attested TLS, which needs no receipt, makes this check before each request.
    ///
    /// # Errors
    /// If the set ended before `at`.
    pub fn check_set(&self, at: UnixMillis) -> Result<(), ReceiptError> {
        match self.set_not_after {
            Some(not_after) if at > not_after => Err(ReceiptError::SetEnded {
                set: self.set_name.clone().unwrap_or_default(),
                not_after,
                at,
            }),
            _ => Ok(()),
        }
    }

    /// Checks the part of step 6 that depends on the time of a stored receipt.
    pub(super) fn check_near(&self, receipt_time: UnixMillis) -> Result<(), ReceiptError> {
        let Self { document_time, .. } = *self;
        match distance_millis(document_time, receipt_time) <= MAX_STORED_DISTANCE_SECS * 1000 {
            true => Ok(()),
            false => Err(ReceiptError::DocumentTooFar { document_time, receipt_time }),
        }
    }

    /// Checks the part of step 6 that depends on the time of use.
    pub(super) const fn check_current(&self, now: UnixMillis) -> Result<(), ReceiptError> {
        match self.is_current(now) {
            true => Ok(()),
            false => Err(ReceiptError::DocumentExpired { document_time: self.document_time, now }),
        }
    }
}

/// Reads the identity of the claims (step 4), and checks that the receipt key is a point (step 3).
fn identity(claims: &Claims<'_>) -> Result<Identity, ReceiptError> {
    if claims.pcrs().family() != PcrFamily::NitroEnclave {
        return Err(ReceiptError::NitroTpm);
    }
    let identity = Identity::from_user_data(claims.user_data().ok_or(ReceiptError::NoUserData)?)?;
    // Other consumers of documents encrypt to this field.
    if claims.public_key().is_some() {
        return Err(ReceiptError::PublicKeyPresent);
    }
    match is_p256_point(&identity.receipt_key) {
        true => Ok(identity),
        false => Err(ReceiptError::NotOnCurve),
    }
}

/// Returns the milliseconds between two times.
pub(super) fn distance_millis(one: UnixMillis, other: UnixMillis) -> u64 {
    one.millis_since(other).max(other.millis_since(one))
}
