//! Calls through an SDK, and their results.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::process::Command;

use super::process::{ServiceUrl, clean, configure, installed, python, run_successfully, source};
use crate::sigv4::identities::{Identity, WALLET};

/// An SDK. A program in `tests/suite/clients` makes its calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sdk {
    /// The SDK for Python.
    Boto3,
    /// The SDK for Python, which signs Date instead of X-Amz-Date.
    Boto3Dated,
    /// The SDK for Python, with a new nonce in each attempt.
    Boto3WithNonces,
    /// The SDK for JavaScript, version 3.
    JavaScript,
    /// The SDK for JavaScript, version 2, which does not sign Content-Type.
    JavaScriptV2,
    /// The package aws4fetch, which only signs requests, and does not sign Content-Type.
    Aws4fetch,
}

/// The result of a call.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    /// The members of the response. Blobs are base64.
    pub(crate) output: Option<Map<String, Value>>,
    /// The error that the SDK raised.
    pub(crate) error: Option<SdkError>,
    /// The HTTP responses, one per attempt.
    pub(crate) responses: Vec<Response>,
}

/// An error that an SDK raised.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct SdkError {
    /// The error code.
    pub(crate) name: String,
    pub(crate) message: String,
    /// True if the error is an instance of the SDK's class with the name of the error code.
    pub(crate) typed: bool,
}

/// An HTTP response as it was before the SDK parsed it.
#[derive(Debug, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Only with boto3: the headers by their names in lower case.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Only of [`Sdk::Boto3WithNonces`].
    #[serde(flatten)]
    pub(crate) attempt: Option<Attempt>,
}

/// The request of an attempt with a nonce.
#[derive(Debug, Deserialize)]
pub(crate) struct Attempt {
    /// The nonce, in base64.
    pub(crate) nonce: String,
    /// The body, in base64.
    pub(crate) request: String,
}

impl Sdk {
    /// Makes all `calls` in order in one process. Each call has the members `operation` and
    /// `parameters`.
    pub(crate) fn call<'a>(
        self,
        service: impl Into<ServiceUrl<'a>>,
        calls: &[Value],
    ) -> Vec<Outcome> {
        self.call_as(&WALLET, service, calls)
    }

    /// Makes all `calls` as `identity`.
    pub(crate) fn call_as<'a>(
        self,
        identity: &Identity,
        service: impl Into<ServiceUrl<'a>>,
        calls: &[Value],
    ) -> Vec<Outcome> {
        let mut command = match self {
            Self::Boto3 => boto3(),
            Self::Boto3Dated => {
                let mut command = boto3();
                command.env("SIGN_DATE", "");
                command
            }
            Self::Boto3WithNonces => {
                let mut command = boto3();
                command.env("SEND_NONCES", "");
                command
            }
            Self::JavaScript => node("javascript_calls.mjs"),
            Self::JavaScriptV2 => node("javascript_v2_calls.mjs"),
            Self::Aws4fetch => node("aws4fetch_calls.mjs"),
        };
        configure(&mut command, service.into(), identity);
        let input = Value::from(calls.to_vec()).to_string();
        let outcomes: Vec<Outcome> =
            serde_json::from_slice(&run_successfully(command, input.as_bytes())).unwrap();
        assert_eq!(outcomes.len(), calls.len());
        outcomes
    }
}

/// Returns the command that makes calls with boto3.
fn boto3() -> Command {
    let mut command = python("python");
    command.arg(source("boto3_calls.py"));
    command
}

/// Returns the command that runs a program of `tests/suite/clients` with Node.js.
fn node(program: &str) -> Command {
    let mut command = clean(Command::new("node"));
    command.arg(source(program)).arg(installed());
    command
}

impl Outcome {
    /// Returns the blob `member`. Asserts that the SDK's result and the raw body have no other
    /// member.
    pub(crate) fn only_blob(&self, member: &str) -> Vec<u8> {
        let output = self.output.as_ref().unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(self.statuses(), [200]);
        let body: Map<String, Value> = serde_json::from_str(&self.responses[0].body).unwrap();
        assert_eq!(body.keys().collect::<Vec<_>>(), [member]);
        assert_eq!(output, &body);
        STANDARD.decode(output[member].as_str().unwrap()).unwrap()
    }

    /// Returns the status of each attempt.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.responses.iter().map(|response| response.status).collect()
    }
}
