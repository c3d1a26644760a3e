//! The audit trail: one JSON record per line for each KMS request, in the format of CloudTrail.
//!
//! A request never waits for the audit trail. If the queue is full, the record is dropped and counted.
//!
//! Records of unauthenticated callers have a maximum rate and a maximum share of the queue, so that they do
//! not displace other records. The next written record contains the number of records that these limits
//! omitted.
//!
//! The records of one process are a stream. The receipt key names the stream, and each record has a number. Signed
//! digests over the lines make changes of a stream visible.

mod ascii;
mod digest_sources;
mod digests;
mod metrics;
mod record;
mod record_builder;
#[cfg(feature = "simulator")]
mod test_trail;
#[cfg(test)]
mod tests;
mod trail;
mod trail_format;
mod unauthenticated_limits;

use std::fmt;
use std::io::{self, Write};

use transport::Endpoint;

use self::digest_sources::DigestSchedule;
pub use self::digest_sources::DigestSources;
pub(crate) use self::metrics::AuditMetrics;
pub(crate) use self::record_builder::Recipient;
pub use self::record_builder::RecordBuilder;
#[cfg(feature = "simulator")]
pub use self::test_trail::TestTrail;
pub(crate) use self::trail::AuditTrail;
pub(crate) use self::unauthenticated_limits::UnauthenticatedLimits;
use crate::log_forwarder::LogForwarder;

/// The destination of an audit trail. The service starts the trail once it knows the receipt key.
pub struct Audit(Option<Box<dyn Write + Send>>);

impl Audit {
    /// Returns the destination of a trail that discards all records.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Returns the destination of a trail that writes lines to `writer`.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self(Some(Box::new(writer)))
    }

    /// Returns the destination of a trail that writes to the log endpoint. Without a log endpoint, the trail writes
    /// to standard output.
    pub fn to_endpoint_or_stdout(log_endpoint: Option<&Endpoint>) -> Self {
        match log_endpoint {
            // The forwarder of the log already reports an unreachable endpoint on stderr. This forwarder discards its
            // reports, so that stderr contains each report once.
            Some(endpoint) => Self::to_writer(LogForwarder::new(endpoint.clone(), drop)),
            None => Self::to_writer(io::stdout()),
        }
    }

    /// Returns whether the trail writes records.
    #[cfg(test)]
    pub(crate) fn is_written(&self) -> bool {
        self.0.is_some()
    }

    /// Starts the trail. The receipt key in `sources` names its stream.
    ///
    /// # Errors
    /// If the writer thread cannot be started.
    pub(crate) fn start(
        self,
        sources: DigestSources,
        limits: UnauthenticatedLimits,
    ) -> io::Result<AuditTrail> {
        match self.0 {
            Some(writer) => AuditTrail::start(writer, sources, DigestSchedule::default(), limits),
            None => Ok(AuditTrail::disabled()),
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Audit(writer)" } else { "Audit(disabled)" })
    }
}
