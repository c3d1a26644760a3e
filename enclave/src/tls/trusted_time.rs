//! The trusted time of the service, for rustls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use attestation::time::UnixMillis;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// A function that returns the current trusted time.
pub(super) type TimeSource = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// A time provider for rustls that returns the trusted time.
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
