//! Rule 14: the age of a live document.

use super::untrusted_document::UntrustedDocument;
use super::verification_time::{MAX_CLOCK_SKEW_SECS, VerificationTime};
use crate::time::UnixMillis;

/// The maximum age of a live document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// At most this many seconds.
    Seconds(u64),
    /// The validity of the document's certificates is the only limit: about three hours.
    Chain,
}

impl Default for MaxAge {
    fn default() -> Self {
        Self::Seconds(300)
    }
}

/// Checks the first part of rule 14: the timestamp is at most [`MAX_CLOCK_SKEW_SECS`] ahead.
pub(super) fn check_timestamp_not_in_future(at: VerificationTime) -> Result<(), UntrustedDocument> {
    if at.signed_at.millis_since(at.reading.time) > MAX_CLOCK_SKEW_SECS * 1000 {
        return Err(UntrustedDocument::TimestampInFuture { at });
    }
    Ok(())
}

/// Checks the second part of rule 14: the maximum age, and that the document is no older than its leaf,
/// which is valid from `not_before`.
pub(super) fn check_age(
    at: VerificationTime,
    max_age: MaxAge,
    not_before: UnixMillis,
) -> Result<(), UntrustedDocument> {
    check_max_age(at, max_age)?;
    let timestamp = at.signed_at;
    if timestamp < not_before {
        return Err(UntrustedDocument::OlderThanLeaf { timestamp, not_before });
    }
    Ok(())
}

/// Checks the maximum age.
pub(super) fn check_max_age(
    at: VerificationTime,
    max_age: MaxAge,
) -> Result<(), UntrustedDocument> {
    match max_age {
        MaxAge::Seconds(max_age_secs)
            if at.reading.time.millis_since(at.signed_at) > max_age_secs.saturating_mul(1000) =>
        {
            Err(UntrustedDocument::TooOld { max_age_secs, at })
        }
        MaxAge::Seconds(_) | MaxAge::Chain => Ok(()),
    }
}
