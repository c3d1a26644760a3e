//! What is told of one request to KMS when it is over: a record in the audit trail, a count, a line in
//! the log. All by the same name and with the same outcome, also where its client has gone, or its
//! handler panicked.

use std::ops::{Deref, DerefMut};
use std::thread;
use std::time::Instant;

use kms_api::Operation;

use crate::audit::{Entry, Record};
use crate::kms;
use crate::metrics::{Requests, UNKNOWN_OPERATION};
use crate::request::Outcome;

/// The account of a request that is under way; it is given when this is dropped.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    entry: Entry<'a>,
    requests: &'a Requests,
    begun: Instant,
    /// Whether the limits on log lines left out why it was refused.
    is_quiet: bool,
}

impl<'a> Account<'a> {
    /// Of a request that has arrived.
    pub(crate) fn open(entry: Entry<'a>, requests: &'a Requests) -> Self {
        Self { entry, requests, begun: Instant::now(), is_quiet: false }
    }

    /// Lowers the level of the request's own line, as the log has no line on why it was refused.
    pub(crate) fn make_quiet(&mut self) {
        self.is_quiet = true;
    }
}

impl Deref for Account<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.entry
    }
}

impl DerefMut for Account<'_> {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.entry
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // What its client is told: see `http::Server`.
            self.entry.refuse(&kms::internal());
        }
        let (took, outcome) = (self.begun.elapsed(), self.entry.outcome());
        let operation = self.entry.operation();
        self.requests.count(operation, outcome, took);
        let request_id = self.entry.request_id();
        let operation = operation.map_or(UNKNOWN_OPERATION, Operation::name);
        // In seconds, as in the metrics.
        let duration = took.as_secs_f64();
        match outcome {
            Outcome::Refused(error) if error.status() >= 500 && !self.is_quiet => {
                tracing::warn!(%request_id, operation, outcome = outcome.name(), duration, "answered");
            }
            _ => {
                tracing::debug!(%request_id, operation, outcome = outcome.name(), duration, "answered")
            }
        }
    }
}
