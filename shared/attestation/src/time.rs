//! Points in time as numbers. This module does not read a clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time};

const DAY_NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const MONTH_NAMES: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Milliseconds since the Unix epoch, the unit of an attestation document's `timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// Creates a time from milliseconds since the epoch.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Creates a time from whole seconds since the epoch.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Parses RFC 3339 text such as `2026-02-03T10:12:02.437Z`. Returns `None` for other text, and for times
    /// before 1970.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
        u64::try_from(nanos / 1_000_000).ok().map(Self)
    }

    /// Parses the basic form of ISO 8601 in UTC, such as `20240820T230143Z`. Returns `None` for other text,
    /// and for times before 1970.
    pub fn from_basic_iso8601(text: &str) -> Option<Self> {
        let &[y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = text.as_bytes()
        else {
            return None;
        };
        Self::from_fields(
            [two_digits(y1, y2)?, two_digits(y3, y4)?, two_digits(m1, m2)?, two_digits(d1, d2)?],
            [two_digits(h1, h2)?, two_digits(n1, n2)?, two_digits(s1, s2)?],
        )
    }

    /// Parses an HTTP date such as `Tue, 20 Aug 2024 23:01:43 GMT` (RFC 9110, section 5.6.7, IMF-fixdate).
    ///
    /// `+0000` and `-0000` are accepted in place of `GMT`: RFC 5322 allows them, and Python's
    /// `email.utils.formatdate` writes them. The name of the day is not compared with the date. Returns
    /// `None` for other text, and for times before 1970.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let (day_name, date) = text.split_once(", ")?;
        let &[d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', ref time @ ..] =
            date.as_bytes()
        else {
            return None;
        };
        let &[h1, h2, b':', n1, n2, b':', s1, s2, b' ', ref zone @ ..] = time else {
            return None;
        };
        if !DAY_NAMES.contains(&day_name) || !matches!(zone, b"GMT" | b"+0000" | b"-0000") {
            return None;
        }
        let month = MONTH_NAMES.iter().zip(1..).find(|(name, _)| ***name == [m1, m2, m3])?.1;
        Self::from_fields(
            [two_digits(y1, y2)?, two_digits(y3, y4)?, month, two_digits(d1, d2)?],
            [two_digits(h1, h2)?, two_digits(n1, n2)?, two_digits(s1, s2)?],
        )
    }

    /// Creates a time from century, year of the century, month and day, and from hour, minute and second, in
    /// UTC.
    fn from_fields(
        [century, year, month, day]: [u8; 4],
        [hour, minute, second]: [u8; 3],
    ) -> Option<Self> {
        let year = i32::from(century) * 100 + i32::from(year);
        let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
        let time = Time::from_hms(hour, minute, second).ok()?;
        let seconds = date.with_time(time).assume_utc().unix_timestamp();
        u64::try_from(seconds).ok().map(Self::from_secs)
    }

    /// Returns a value that prints the basic form of ISO 8601 in UTC, such as `20240820T230143Z`, rounded down.
    pub const fn basic_iso8601(self) -> BasicIso8601 {
        BasicIso8601(self)
    }

    /// Returns the milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the epoch, rounded down: the unit of X.509 validity.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the milliseconds from `earlier` to `self`, or zero if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time `seconds` later.
    pub const fn plus_secs(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Returns the time `seconds` earlier, but not before the epoch.
    pub const fn minus_secs(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(1000)))
    }
}

impl TryFrom<SystemTime> for UnixMillis {
    type Error = BeforeUnixEpoch;

    fn try_from(time: SystemTime) -> Result<Self, BeforeUnixEpoch> {
        let millis = time.duration_since(UNIX_EPOCH).map_err(|_| BeforeUnixEpoch)?.as_millis();
        // Milliseconds since 1970 fit for 584 million years.
        Ok(Self(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

/// A time before 1970, which has no [`UnixMillis`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the time is before 1970")]
pub struct BeforeUnixEpoch;

impl fmt::Display for UnixMillis {
    /// Writes RFC 3339 in UTC, or the bare number after the year 9999, which RFC 3339 cannot express.
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

/// A time that prints in the basic form of ISO 8601, such as `20240820T230143Z`, which AWS uses in signatures.
///
/// After the year 9999 it prints as the number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicIso8601(UnixMillis);

impl fmt::Display for BasicIso8601 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.as_secs()).ok();
        let moment = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let Some(moment) = moment else { return self.0.fmt(formatter) };
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second) = moment.to_hms();
        let month = u8::from(month);
        write!(formatter, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// A number of seconds that prints in its two largest units: `10 min 33 s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub u64);

impl fmt::Display for HumanDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        let ((first, unit), (second, smaller)) = match seconds {
            0..60 => return write!(formatter, "{seconds} s"),
            60..3600 => ((minutes, "min"), (seconds % 60, "s")),
            3600..86_400 => ((hours, "h"), (minutes, "min")),
            _ => ((days, "d"), (hours, "h")),
        };
        match second {
            0 => write!(formatter, "{first} {unit}"),
            _ => write!(formatter, "{first} {unit} {second} {smaller}"),
        }
    }
}

/// A duration that prints in milliseconds below one second, and in seconds above: `500 ms`, `1.5 s`, `60 s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanTimeout(pub Duration);

impl fmt::Display for HumanTimeout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(duration) = self;
        match duration.as_secs() {
            0 => write!(formatter, "{} ms", duration.as_millis()),
            _ => write!(formatter, "{} s", duration.as_secs_f64()),
        }
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    let digit = |ascii: u8| ascii.is_ascii_digit().then(|| ascii - b'0');
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
