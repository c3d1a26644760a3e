//! The service under `tests/sigv4/config.toml`, and its audit trail.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use attested_recipient::{Simulator, UnixMillis};
use enclave::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::clients::{Relayed, TestKey};

/// A relay in front of a simulated enclave that lets in who signs.
#[derive(Debug)]
pub(super) struct Guarded {
    relayed: Relayed,
    trail: Receiver<Vec<u8>>,
}

/// One attempt, as it was recorded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Who was proved, if anybody was, and by which access key.
    pub(super) proven: Option<(String, String)>,
    /// The error's name and its message, if it was refused.
    pub(super) error: Option<(String, String)>,
}

impl Guarded {
    /// One whose clock is right.
    pub(super) fn start() -> Self {
        Self::start_at(|| SystemClock.now())
    }

    /// One that takes the time from `now`.
    pub(super) fn start_at(now: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("sigv4/config.toml");
        let (writer, trail) = channel();
        let simulator = Simulator::builder().config_file(config).now(now).audit(Lines(writer));
        Self { relayed: Relayed::enclave(simulator.start().unwrap()), trail }
    }

    /// The relay's.
    pub(super) fn endpoint_url(&self) -> &str {
        self.relayed.endpoint_url()
    }

    /// A fresh document of an enclave that has `key`.
    pub(super) fn document(&self, key: &TestKey) -> Vec<u8> {
        self.relayed.document(&key.document())
    }

    /// Ends it: all that anybody has attempted.
    pub(super) fn attempts(self) -> Vec<Attempt> {
        let Self { relayed, trail } = self;
        // A service that ends has written all its records, and lets go of the writer.
        drop(relayed);
        let records = trail.iter().map(|line| serde_json::from_slice(&line).unwrap());
        records.map(|record: Value| Attempt::of(&record)).collect()
    }
}

impl Attempt {
    /// A granted one.
    pub(super) fn granted(arn: &str, access_key_id: &str) -> Self {
        Self { proven: Some((arn.to_owned(), access_key_id.to_owned())), error: None }
    }

    fn of(record: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(record["awsRegion"], "eu-west-1");
        let user = &record["userIdentity"];
        let anonymous = json!({ "type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL" });
        let proven = (*user != anonymous).then(|| (text(&user["arn"]), text(&user["accessKeyId"])));
        let error = record.get("errorCode").map(|code| (text(code), text(&record["errorMessage"])));
        Self { proven, error }
    }
}

/// Hands over each write: the audit trail makes one for each record.
struct Lines(Sender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.send(line.to_vec()).map_err(io::Error::other)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
