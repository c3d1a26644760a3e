//! The time of verification and its clock source. Error messages contain the time and the source.

use std::fmt;

use crate::time::{HumanDuration, UnixMillis};

/// Tolerance for a verifier's clock that is behind, in seconds.
///
/// The document's timestamp and the start of its certificates' validity may be this far ahead of the time of
/// verification.
pub const MAX_CLOCK_SKEW_SECS: u64 = 60;

/// The source of a time of verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// The trusted time of the verifying enclave, which its Nitro Secure Module signs.
    Enclave,
    /// The clock of the machine that runs this program.
    ThisMachine,
    /// A time that the caller of the function, or the user, specifies.
    Given,
    /// The timestamp of the document itself.
    Document,
}

/// A time of verification with its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The source of the time.
    pub source: ClockSource,
    /// The time.
    pub time: UnixMillis,
}

impl ClockReading {
    /// Returns `time` as the trusted time of the verifying enclave.
    pub const fn enclave(time: UnixMillis) -> Self {
        Self { source: ClockSource::Enclave, time }
    }

    /// Returns `time` as the time of this machine's clock.
    pub const fn this_machine(time: UnixMillis) -> Self {
        Self { source: ClockSource::ThisMachine, time }
    }

    /// Returns `time` as a time that the caller specifies.
    pub const fn given(time: UnixMillis) -> Self {
        Self { source: ClockSource::Given, time }
    }
}

/// The time of verification together with the document's timestamp. Rule 14 compares the two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationTime {
    /// The time of verification.
    pub reading: ClockReading,
    /// The document's timestamp.
    pub signed_at: UnixMillis,
}

impl VerificationTime {
    /// Returns the document's age, rounded up, so that an age over the limit is shown as one.
    pub(super) const fn age(self) -> HumanDuration {
        HumanDuration(self.reading.time.millis_since(self.signed_at).div_ceil(1000))
    }
}

impl fmt::Display for VerificationTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClockReading { source, time } = self.reading;
        match source {
            ClockSource::Enclave => write!(formatter, "the enclave's clock shows {time}")?,
            ClockSource::ThisMachine => write!(formatter, "this machine's clock shows {time}")?,
            ClockSource::Given => write!(formatter, "verified at the given time {time}")?,
            ClockSource::Document => formatter.write_str("verified at its own timestamp")?,
        }
        write!(formatter, "; the document was signed at {}", self.signed_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_clock_source_and_both_times() {
        let (early, late) = (UnixMillis::from_secs(1), UnixMillis::from_secs(2));
        let text = |reading| VerificationTime { reading, signed_at: late }.to_string();
        let signed = "the document was signed at 1970-01-01T00:00:02Z";
        for (reading, expected) in [
            (ClockReading::enclave(early), "the enclave's clock shows 1970-01-01T00:00:01Z"),
            (ClockReading::this_machine(early), "this machine's clock shows 1970-01-01T00:00:01Z"),
            (ClockReading::given(early), "verified at the given time 1970-01-01T00:00:01Z"),
            (
                ClockReading { source: ClockSource::Document, time: late },
                "verified at its own timestamp",
            ),
        ] {
            assert_eq!(text(reading), format!("{expected}; {signed}"));
        }
    }
}
