//! Why there is no fresh entropy. There is no second source: the request fails.

use std::time::Duration;

use nsm_device::{ErrorCode, NsmError};
use thiserror::Error;

use crate::health::HealthFault;

/// Why the NSM gives no entropy.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NsmFault {
    /// The device failed.
    #[error("the NSM device failed: {0}")]
    Device(#[from] NsmError),
    /// The module answered with an error code.
    #[error("the NSM returned error {code}")]
    ErrorResponse {
        /// Its name.
        code: &'static str,
    },
    /// An answer to another question.
    #[error("the NSM returned the response to another request")]
    UnexpectedResponse,
    /// A register that does not hold what it was extended with and nothing else.
    #[error(
        "PCR{index} of the NSM was extended before this service measured its configuration: start the service \
         only once per enclave, and extend this PCR nowhere else"
    )]
    Register {
        /// Which.
        index: u16,
    },
    /// A document that tells no time.
    #[error("the NSM's attestation document contains no timestamp")]
    NoTimestamp,
    /// A document that came so slowly that its time means little.
    #[error("the NSM took too long for an attestation document")]
    SlowTimestamp,
    /// What it gave is not random.
    #[error("the NSM is unhealthy until this service is restarted: {0}")]
    Unhealthy(#[from] HealthFault),
    /// A call that did not return.
    #[error(
        "the NSM is unhealthy until this service is restarted: a call took longer than {limit:?}"
    )]
    Stuck {
        /// How long a call may take.
        limit: Duration,
    },
    /// A caller waited as long as it may.
    #[error("the NSM returned no entropy within {deadline:?}")]
    Deadline {
        /// How long that is.
        deadline: Duration,
    },
    /// More callers wait than there is room for.
    #[error("too many requests wait for the NSM")]
    Full,
    /// The thread is gone.
    #[error("the NSM thread has ended: restart this service")]
    ThreadEnded,
}

impl NsmFault {
    /// Of an error code in an answer.
    pub(super) fn error_response(code: &ErrorCode) -> Self {
        Self::ErrorResponse { code: code_name(code) }
    }

    /// Whether nothing but a restart ends it: what gave bytes that are not random, or hung, is not
    /// asked again.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Unhealthy(_) | Self::Stuck { .. } | Self::ThreadEnded => true,
            Self::Device(_)
            | Self::ErrorResponse { .. }
            | Self::UnexpectedResponse
            | Self::Register { .. }
            | Self::NoTimestamp
            | Self::SlowTimestamp
            | Self::Deadline { .. }
            | Self::Full => false,
        }
    }

    /// Whether it is the time that ran out, and nothing else that is known.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Full | Self::SlowTimestamp)
    }

    /// Its name in metrics, one of [`CAUSES`](Self::CAUSES) and those after it.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Device(NsmError::Malformed) => "malformed",
            Self::Device(_) => "device",
            Self::ErrorResponse { .. } => "error_code",
            Self::UnexpectedResponse | Self::Register { .. } => "unexpected_response",
            Self::NoTimestamp => "no_time",
            Self::SlowTimestamp => "slow_time",
            Self::Unhealthy(HealthFault::Length { .. }) => "length",
            Self::Unhealthy(HealthFault::RepetitionCount) => "repetition_count",
            Self::Unhealthy(HealthFault::AdaptiveProportion) => "adaptive_proportion",
            Self::Unhealthy(HealthFault::RepeatedOutput) => "repeated_block",
            Self::Stuck { .. } => "stuck",
            Self::Deadline { .. } => "deadline",
            Self::Full => "full",
            Self::ThreadEnded => "thread_ended",
        }
    }

    /// Causes of faults of the NSM by which callers fail as well, so that each is shown before it
    /// first happens.
    pub(crate) const CAUSES: [&str; 11] = [
        "malformed",
        "device",
        "error_code",
        "unexpected_response",
        "no_time",
        "length",
        "repetition_count",
        "adaptive_proportion",
        "repeated_block",
        "stuck",
        "thread_ended",
    ];

    /// That of the clock alone: nobody waits for the time.
    pub(crate) const CLOCK_CAUSES: [&str; 1] = ["slow_time"];

    /// Those of callers alone: nothing need be wrong with the NSM.
    pub(crate) const CALLER_CAUSES: [&str; 2] = ["deadline", "full"];
}

const fn code_name(code: &ErrorCode) -> &'static str {
    match code {
        ErrorCode::Success => "Success",
        ErrorCode::InvalidArgument => "InvalidArgument",
        ErrorCode::InvalidIndex => "InvalidIndex",
        ErrorCode::InvalidResponse => "InvalidResponse",
        ErrorCode::ReadOnlyIndex => "ReadOnlyIndex",
        ErrorCode::InvalidOperation => "InvalidOperation",
        ErrorCode::BufferTooSmall => "BufferTooSmall",
        ErrorCode::InputTooLarge => "InputTooLarge",
        ErrorCode::InternalError => "InternalError",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_registered_cause() {
        let faults = [
            NsmFault::Device(NsmError::Malformed),
            NsmFault::Device(NsmError::RequestTooLong),
            NsmFault::Device(NsmError::Ioctl { errno: 5 }),
            NsmFault::ErrorResponse { code: "Success" },
            NsmFault::UnexpectedResponse,
            NsmFault::Register { index: 16 },
            NsmFault::NoTimestamp,
            NsmFault::SlowTimestamp,
            NsmFault::Unhealthy(HealthFault::Length { length: 0 }),
            NsmFault::Unhealthy(HealthFault::RepetitionCount),
            NsmFault::Unhealthy(HealthFault::AdaptiveProportion),
            NsmFault::Unhealthy(HealthFault::RepeatedOutput),
            NsmFault::Stuck { limit: Duration::ZERO },
            NsmFault::Deadline { deadline: Duration::ZERO },
            NsmFault::Full,
            NsmFault::ThreadEnded,
        ];
        let shown: Vec<_> = faults.iter().map(NsmFault::cause).collect();
        let all =
            [&NsmFault::CAUSES[..], &NsmFault::CLOCK_CAUSES, &NsmFault::CALLER_CAUSES].concat();
        assert!(all.iter().all(|cause| shown.contains(cause)));
        assert!(shown.iter().all(|cause| all.contains(cause)));
    }
}
