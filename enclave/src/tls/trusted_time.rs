//! The service's own time, for rustls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use attestation::time::UnixMillis;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// Returns the time.
pub(super) type TimeSource = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// The service's own time, for rustls.
pub(super) struct TrustedTime(pub(super) TimeSource);

impl TimeProvider for TrustedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs((self.0)().as_secs())))
    }
}

impl fmt::Debug for TrustedTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TrustedTime")
    }
}
