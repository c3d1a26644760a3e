//! The service and its audit trail.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use attested_recipient::{Simulator, UnixMillis};
use serde_json::{Value, json};

/// Time limit for the stop of the service. The service normally stops much earlier.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// The audit trail of a simulated service.
#[derive(Debug)]
pub(crate) struct AuditTrail(Receiver<Vec<u8>>);

/// The audit record of one request. If a client retries, each attempt has its own record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The authenticated principal and its access key id. `None` for an unauthenticated request.
    pub(crate) authenticated: Option<(String, String)>,
    /// The error's name and message, if the request was rejected.
    pub(crate) error: Option<(String, String)>,
}

/// Starts a simulated enclave with `config` and the clock `now`.
pub(crate) fn simulator(
    config: &Path,
    now: impl Fn() -> UnixMillis + Send + Sync + 'static,
) -> (Simulator, AuditTrail) {
    let (lines, trail) = channel();
    let simulator = Simulator::builder().config_file(config).now(now).audit(RecordSender(lines));
    (simulator.start().unwrap(), AuditTrail(trail))
}

impl AuditTrail {
    /// Returns the records of all attempts in order. The caller must stop the service first,
    /// because a stopped service has written all records and has dropped its writer.
    pub(crate) fn attempts(self) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        loop {
            match self.0.recv_timeout(HANG_TIMEOUT) {
                Ok(line) => {
                    let line: Value = serde_json::from_slice(&line).unwrap();
                    // The trail also contains signed digests.
                    if line.get("auditDigest").is_none() {
                        attempts.push(Attempt::from_record(&line));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return attempts,
                Err(RecvTimeoutError::Timeout) => panic!("the service has not stopped"),
            }
        }
    }
}

impl Attempt {
    /// Creates the record of a successful request.
    pub(crate) fn allowed(arn: &str, access_key_id: &str) -> Self {
        Self { authenticated: Some((arn.to_owned(), access_key_id.to_owned())), error: None }
    }

    fn from_record(record: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(record["awsRegion"], "eu-west-1");
        let user = &record["userIdentity"];
        let anonymous = json!({ "type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL" });
        let authenticated =
            (*user != anonymous).then(|| (text(&user["arn"]), text(&user["accessKeyId"])));
        let error = record.get("errorCode").map(|code| (text(code), text(&record["errorMessage"])));
        Self { authenticated, error }
    }
}

/// A writer that sends each record to a channel. One write may contain several complete lines.
struct RecordSender(Sender<Vec<u8>>);

impl Write for RecordSender {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.0.send(line.to_vec()).map_err(io::Error::other)?;
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
