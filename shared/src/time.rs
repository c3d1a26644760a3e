//! Points in time, as numbers that others measured.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since the Unix epoch, the unit of an attestation document's `timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// From milliseconds since the epoch.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From RFC 3339 text such as `2026-02-03T10:12:02.437Z`; `None` if it is not that, or is
    /// before 1970.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
        u64::try_from(nanos / 1_000_000).ok().map(Self)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down, the unit of X.509 validity.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds from `earlier` to `self`; zero if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved into the future.
    pub const fn plus_secs(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// `self` moved into the past, not beyond the epoch.
    pub const fn minus_secs(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(1000)))
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC; past the year 9999, which RFC 3339 cannot write, the bare number.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok());
        match text {
            Some(text) => formatter.write_str(&text),
            None => write!(formatter, "{} ms after 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let moment = UnixMillis::new(1_762_795_210_812);
        assert_eq!(moment.to_string(), "2025-11-10T17:20:10.812Z");
        assert_eq!(UnixMillis::from_rfc3339("2025-11-10T17:20:10.812Z"), Some(moment));
        assert_eq!(UnixMillis::from_rfc3339("2025-11-10"), None);
        assert_eq!(UnixMillis::from_rfc3339("1969-01-01T00:00:00Z"), None);
    }

    #[test]
    fn prints_any_number() {
        assert_eq!(UnixMillis::new(u64::MAX).to_string(), format!("{} ms after 1970", u64::MAX));
    }
}
