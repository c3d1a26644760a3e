//! The check that the record of a stored exchange is in a trail.

use std::collections::BTreeMap;

use attestation::AuditStream;
use attestation::receipt::{AllowedSources, ReceiptBytes, ReceiptError};

use super::line_reader::Location;
use super::record_checker::{CheckedRecords, FoundRecord};
use crate::{ExchangeError, Expectations, StoredExchange, VerifiedExchange};

/// The result of the check of one receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// The record is in the trail, and a digest covers it.
    Proved {
        /// The stream.
        stream: AuditStream,
        /// The number of the record.
        sequence: u64,
        /// The line of the record.
        at: Location,
    },
    /// The exchange itself is rejected.
    Rejected(ExchangeError),
    /// The trail contains no verified digest of the receipt key.
    NoStream(AuditStream),
    /// The trail does not contain the record.
    Missing {
        /// The stream.
        stream: AuditStream,
        /// The number of the record.
        sequence: u64,
    },
    /// The record has another request ID than the receipt.
    OtherRequest {
        /// The stream.
        stream: AuditStream,
        /// The number of the record.
        sequence: u64,
        /// The request ID of the record.
        found: String,
    },
    /// The record is in the trail, but no digest proves it.
    NotProved {
        /// The stream.
        stream: AuditStream,
        /// The number of the record.
        sequence: u64,
    },
}

/// Verifies the exchange. The source of its random bytes does not matter.
pub(super) fn verify_exchange<'a>(
    exchange: &'a StoredExchange,
    expectations: &Expectations,
) -> Result<VerifiedExchange<'a>, ExchangeError> {
    let sources = sources(exchange)?;
    exchange.verify(expectations, &sources)
}

fn sources(exchange: &StoredExchange) -> Result<AllowedSources, ReceiptError> {
    let receipt = ReceiptBytes::from_header(exchange.receipt().as_bytes())?;
    let source = receipt.parse()?.dangerous_unverified_content().source.map(str::to_owned);
    Ok(source.map_or_else(AllowedSources::nsm, |id| AllowedSources::nsm().with_key_store(&id)))
}

/// Checks that the record of a verified exchange is in the trail.
pub(super) fn check_record(
    exchange: &VerifiedExchange<'_>,
    streams: &BTreeMap<AuditStream, CheckedRecords>,
) -> ReceiptOutcome {
    let (stream, receipt) = (AuditStream::of(exchange.key_id()), exchange.receipt());
    let sequence = receipt.sequence;
    let is_stream = |checked: &&CheckedRecords| {
        let identity = checked.chain.identity.as_ref();
        identity.is_some_and(|identity| identity.key_id() == exchange.key_id())
    };
    let Some(checked) = streams.get(&stream).filter(is_stream) else {
        return ReceiptOutcome::NoStream(stream);
    };
    match checked.found.get(&sequence) {
        None => ReceiptOutcome::Missing { stream, sequence },
        Some(found) if found.request_id != receipt.request_id => {
            let found = found.request_id.clone();
            ReceiptOutcome::OtherRequest { stream, sequence, found }
        }
        Some(FoundRecord { at, .. }) if checked.is_proved(sequence) => {
            ReceiptOutcome::Proved { stream, sequence, at: *at }
        }
        Some(_) => ReceiptOutcome::NotProved { stream, sequence },
    }
}

impl ReceiptOutcome {
    /// Returns whether the record is proved to be in the trail.
    pub const fn is_proved(&self) -> bool {
        matches!(self, Self::Proved { .. })
    }
}

impl std::fmt::Display for ReceiptOutcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Proved { stream, sequence, at } => {
                write!(formatter, "proved: it is record {sequence} of stream {stream}, at {at}")
            }
            Self::Rejected(error) => write!(formatter, "the exchange is rejected: {error}"),
            Self::NoStream(stream) => {
                write!(formatter, "the trail has no verified digest of its stream {stream}")
            }
            Self::Missing { stream, sequence } => {
                write!(formatter, "the trail has no record {sequence} of stream {stream}")
            }
            Self::OtherRequest { stream, sequence, found } => write!(
                formatter,
                "record {sequence} of stream {stream} has another requestID: {found}"
            ),
            Self::NotProved { stream, sequence } => {
                write!(formatter, "no digest proves record {sequence} of stream {stream}")
            }
        }
    }
}
