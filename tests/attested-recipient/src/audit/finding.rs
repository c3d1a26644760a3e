//! The findings of the verification of a trail.

use std::fmt;

use attestation::time::UnixMillis;

use super::line_reader::Location;

/// A range of record numbers, displayed as `record 5` or `records 5 to 90`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// The number of the first record.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
}

/// A finding about one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A line looks like a digest, but it is not one.
    MalformedDigest {
        /// The line.
        at: Location,
        /// The reason.
        reason: String,
    },
    /// A digest stands under the name of another stream.
    RelabelledDigest {
        /// The line.
        at: Location,
    },
    /// The signature of a digest does not verify.
    ForgedDigest {
        /// The line.
        at: Location,
        /// The reason.
        reason: String,
    },
    /// The document beside a digest is rejected.
    RejectedDocument {
        /// The line.
        at: Location,
        /// The reason.
        reason: String,
    },
    /// No document attests the receipt key of the stream, so no digest can be verified.
    NoDocument,
    /// The stream has no verified digest.
    NoDigest,
    /// Digests are missing.
    MissingDigests {
        /// The number of the first record that the missing digests covered. It exceeds `last` if they covered none.
        first: u64,
        /// The number of the last record that the missing digests covered.
        last: u64,
        /// The time of the digest before. `None` if the first digest is missing.
        after: Option<UnixMillis>,
        /// The time of the digest after.
        before: UnixMillis,
    },
    /// A digest stands before an earlier digest.
    MovedDigest {
        /// The line.
        at: Location,
    },
    /// A digest occurs again with the same bytes. The enclave itself repeats a digest whose write failed.
    RepeatedDigest {
        /// The line.
        at: Location,
    },
    /// At least one record of the range was changed. All records are present, but their hash is not that of the
    /// digest.
    Altered {
        /// The records of the digest.
        records: Records,
        /// The lines of the first and the last record.
        between: Option<(Location, Location)>,
    },
    /// Records are missing, and the enclave did not declare them as dropped.
    Missing(Records),
    /// Records are missing. The digest that would name dropped records is missing as well.
    MissingWithDigest(Records),
    /// The records of a digest cannot be verified, because at least one of them is missing or repeated.
    Unverifiable(Records),
    /// Records occur again.
    Repeated {
        /// The records.
        records: Records,
        /// The line of the first one.
        at: Location,
        /// The request ID in this line.
        request_id: String,
    },
    /// Records stand after a later record or after the digest that covers them.
    Moved {
        /// The records.
        records: Records,
        /// The line of the first one.
        at: Location,
        /// The request ID in this line.
        request_id: String,
    },
    /// Records have a number after the end of the stream.
    AfterEnd(Records),
    /// The enclave declared records as dropped.
    Dropped(Records),
    /// Records are present although the enclave declared their numbers as dropped. No digest covers them.
    PresentInGap {
        /// The records.
        records: Records,
        /// The line of the first one.
        at: Location,
        /// The request ID in this line.
        request_id: String,
    },
    /// The digests end before the time that `--until` demands.
    EndsTooEarly {
        /// The time of the last digest.
        last: UnixMillis,
        /// The demanded time.
        until: UnixMillis,
    },
}

impl Finding {
    /// Returns whether the trail was changed or is incomplete. The other findings are facts that the enclave itself
    /// declares. Records with the number of a gap are a failure: a failed output of the enclave explains them, but a relay
    /// can cause gaps and then forge such records.
    pub const fn is_failure(&self) -> bool {
        !matches!(self, Self::RepeatedDigest { .. } | Self::Dropped(_))
    }

    /// Extends the range by the records of `next`, if `next` continues it. Returns whether it does.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        let (same, records, more) = match (self, next) {
            (Self::Missing(records), Self::Missing(more))
            | (Self::MissingWithDigest(records), Self::MissingWithDigest(more))
            | (Self::Unverifiable(records), Self::Unverifiable(more))
            | (Self::AfterEnd(records), Self::AfterEnd(more))
            | (Self::Dropped(records), Self::Dropped(more))
            | (Self::Repeated { records, .. }, Self::Repeated { records: more, .. })
            | (Self::Moved { records, .. }, Self::Moved { records: more, .. })
            | (Self::PresentInGap { records, .. }, Self::PresentInGap { records: more, .. }) => {
                (records.last.checked_add(1) == Some(more.first), records, more)
            }
            _ => return false,
        };
        if same {
            records.last = more.last;
        }
        same
    }
}

impl fmt::Display for Records {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { first, last } if first == last => write!(formatter, "record {first}"),
            Self { first, last } => write!(formatter, "records {first} to {last}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedDigest { at, reason } => {
                write!(formatter, "altered digest at {at}: {reason}")
            }
            Self::RelabelledDigest { at } => {
                write!(formatter, "altered digest at {at}: its line names another stream")
            }
            Self::ForgedDigest { at, reason } => {
                write!(formatter, "altered or forged digest at {at}: {reason}")
            }
            Self::RejectedDocument { at, reason } => {
                write!(formatter, "rejected attestation document at {at}: {reason}")
            }
            Self::NoDocument => formatter.write_str(
                "no accepted attestation document attests the receipt key, so no digest proves anything",
            ),
            Self::NoDigest => {
                formatter.write_str("no verified digest: nothing proves that an enclave wrote these records")
            }
            Self::MissingDigests { first, last, after, before } => {
                formatter.write_str("missing digests")?;
                if first <= last {
                    write!(formatter, " over {}", Records { first: *first, last: *last })?;
                }
                match after {
                    Some(after) => write!(formatter, ", between {after} and {before}"),
                    None => write!(formatter, ", from the start of the stream to {before}"),
                }
            }
            Self::MovedDigest { at } => {
                write!(formatter, "reordered: the digest at {at} stands before an earlier digest")
            }
            Self::RepeatedDigest { at } => write!(
                formatter,
                "the digest at {at} occurs again; the enclave itself does this after a failed write"
            ),
            Self::Altered { records, between } if records.first == records.last => {
                write!(formatter, "altered: {records}")?;
                between.map_or(Ok(()), |(at, _)| write!(formatter, " at {at}"))
            }
            Self::Altered { records, between } => {
                write!(formatter, "altered: at least one of the {records}")?;
                let (first, last) = match between {
                    Some(between) => *between,
                    None => return Ok(()),
                };
                write!(formatter, ", between {first} and {last}")
            }
            Self::Missing(records) => write!(formatter, "missing: {records}"),
            Self::MissingWithDigest(records) => write!(
                formatter,
                "missing: {records}; the enclave may have dropped them, but the digest that would say so is missing \
                 as well"
            ),
            Self::Unverifiable(records) => write!(
                formatter,
                "not verifiable: the present {records} share a digest with missing or repeated records"
            ),
            Self::Repeated { records, at, request_id } => {
                write!(formatter, "repeated: {records} at {at} (requestID {request_id})")
            }
            Self::Moved { records, at, request_id } => write!(
                formatter,
                "reordered: {records} at {at} (requestID {request_id}) after a later record or digest"
            ),
            Self::AfterEnd(records) => {
                write!(formatter, "forged: {records}, after the end of the stream")
            }
            Self::Dropped(records) => {
                write!(formatter, "dropped by the enclave itself: {records}")
            }
            Self::PresentInGap { records, at, request_id } => write!(
                formatter,
                "not proved: {records} at {at} (requestID {request_id}); the enclave declared them as dropped, as after \
                 a failed write"
            ),
            Self::EndsTooEarly { last, until } => {
                write!(formatter, "the last digest is of {last}, but digests are demanded until {until}")
            }
        }
    }
}
