//! The faults of the NSM. There is no second entropy source, so requests fail while a fault lasts.

use std::time::Duration;

use attestation::time::HumanTimeout;
use nsm_device::{ErrorCode, NsmError};
use thiserror::Error;

use crate::health::HealthFault;

/// The reason why the NSM returns no block or document.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NsmFault {
    /// The device failed.
    #[error("the NSM device failed: {0}")]
    Device(#[from] NsmError),
    /// The NSM returned an error code.
    #[error("the NSM returned error {code}")]
    ErrorResponse {
        /// Name of the error code.
        code: &'static str,
    },
    /// The NSM returned the response to another request.
    #[error("the NSM returned the response to another request")]
    UnexpectedResponse,
    /// A PCR was already extended before this service extended the PCR.
    #[error(
        "PCR{index} of the NSM was extended before this service measured its configuration: start the \
         service only once per enclave, and extend this PCR nowhere else"
    )]
    Register {
        /// Number of the register.
        index: u16,
    },
    /// The attestation document contains no timestamp.
    #[error("the NSM's attestation document contains no timestamp")]
    NoTimestamp,
    /// The document took longer than a second, so its timestamp is too imprecise.
    #[error("the NSM took too long for an attestation document")]
    SlowTimestamp,
    /// This process was paused during each call for a timestamp, so the duration of the call is unknown.
    #[error("this process was paused during each call of the NSM for the time")]
    Paused,
    /// The NSM's output failed a health test.
    #[error("the NSM is unhealthy until this service is restarted: {0}")]
    Unhealthy(#[from] HealthFault),
    /// A call did not return in time.
    #[error(
        "the NSM is unhealthy until this service is restarted: a call took longer than {}",
        HumanTimeout(*limit)
    )]
    Hung {
        /// Longest time that a call may take.
        limit: Duration,
    },
    /// A caller waited until its deadline.
    #[error("the NSM did not respond within {}", HumanTimeout(*deadline))]
    TimedOut {
        /// Longest time that a caller waits.
        deadline: Duration,
    },
    /// The queue of waiting callers is full.
    #[error("too many requests wait for the NSM")]
    QueueFull,
    /// The NSM thread has ended.
    #[error("the NSM thread has ended: restart this service")]
    ThreadEnded,
}

impl NsmFault {
    /// Converts an error code of the NSM.
    pub(super) fn error_response(code: &ErrorCode) -> Self {
        Self::ErrorResponse { code: code_name(code) }
    }

    /// Returns whether only a restart ends the fault. The service does not call the NSM again after a call
    /// that hung or output that failed a health test.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Unhealthy(_) | Self::Hung { .. } | Self::ThreadEnded => true,
            Self::Device(_)
            | Self::ErrorResponse { .. }
            | Self::UnexpectedResponse
            | Self::Register { .. }
            | Self::NoTimestamp
            | Self::SlowTimestamp
            | Self::Paused
            | Self::TimedOut { .. }
            | Self::QueueFull => false,
        }
    }

    /// Returns whether a time limit, a full queue or a pause of this process caused the fault. The NSM itself
    /// may still work.
    pub fn is_dependency_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::QueueFull | Self::SlowTimestamp | Self::Paused)
    }

    /// Returns the value of the label `cause` in metrics: one of [`CAUSES`](Self::CAUSES),
    /// [`CLOCK_CAUSES`](Self::CLOCK_CAUSES) or [`CALLER_CAUSES`](Self::CALLER_CAUSES).
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Device(NsmError::Malformed) => "malformed",
            Self::Device(_) => "device",
            Self::ErrorResponse { .. } => "error_code",
            Self::UnexpectedResponse | Self::Register { .. } => "unexpected_response",
            Self::NoTimestamp => "no_timestamp",
            Self::SlowTimestamp | Self::Paused => "slow_timestamp",
            Self::Unhealthy(HealthFault::Length { .. }) => "length",
            Self::Unhealthy(HealthFault::RepetitionCount) => "repetition_count",
            Self::Unhealthy(HealthFault::AdaptiveProportion) => "adaptive_proportion",
            Self::Unhealthy(HealthFault::RepeatedOutput) => "repeated_output",
            Self::Hung { .. } => "hung",
            Self::TimedOut { .. } => "timed_out",
            Self::QueueFull => "queue_full",
            Self::ThreadEnded => "thread_ended",
        }
    }

    /// Causes of faults of the NSM that also make requests fail. The metrics contain each cause from the
    /// start.
    pub(crate) const CAUSES: [&str; 11] = [
        "malformed",
        "device",
        "error_code",
        "unexpected_response",
        "no_timestamp",
        "length",
        "repetition_count",
        "adaptive_proportion",
        "repeated_output",
        "hung",
        "thread_ended",
    ];

    /// Causes of faults that only a clock synchronization can have.
    pub(crate) const CLOCK_CAUSES: [&str; 1] = ["slow_timestamp"];

    /// Causes of faults that concern only one caller. The NSM itself may still work.
    pub(crate) const CALLER_CAUSES: [&str; 2] = ["timed_out", "queue_full"];
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
            NsmFault::Paused,
            NsmFault::Unhealthy(HealthFault::Length { length: 0 }),
            NsmFault::Unhealthy(HealthFault::RepetitionCount),
            NsmFault::Unhealthy(HealthFault::AdaptiveProportion),
            NsmFault::Unhealthy(HealthFault::RepeatedOutput),
            NsmFault::Hung { limit: Duration::ZERO },
            NsmFault::TimedOut { deadline: Duration::ZERO },
            NsmFault::QueueFull,
            NsmFault::ThreadEnded,
        ];
        let shown: Vec<_> = faults.iter().map(NsmFault::cause).collect();
        let all =
            [&NsmFault::CAUSES[..], &NsmFault::CLOCK_CAUSES, &NsmFault::CALLER_CAUSES].concat();
        assert!(all.iter().all(|cause| shown.contains(cause)));
        assert!(shown.iter().all(|cause| all.contains(cause)));
    }
}
