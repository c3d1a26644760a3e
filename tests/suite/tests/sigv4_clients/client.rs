//! A common interface to all clients that sign requests.

use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::clients::{Outcome, Sdk, cli_as};
use crate::sigv4::identities::{Identity, Operation};

/// A client that signs requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningClient {
    Boto3,
    /// boto3, which signs Date instead of X-Amz-Date.
    Boto3Dated,
    /// Version 3.
    JavaScript,
    JavaScriptV2,
    Aws4fetch,
    /// Version 1.
    Cli,
}

/// A call of a client.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// GenerateRandom of 32 bytes.
    Plain,
    /// GenerateRandom, sealed to the key in this document.
    Sealed(Vec<u8>),
    /// DescribeCustomKeyStores.
    List,
}

/// The result that the client's user receives.
#[derive(Debug)]
pub(super) struct CallOutcome {
    /// The members of the response, or the error's name and message.
    pub(super) result: Result<Map<String, Value>, (String, String)>,
    /// The status of each attempt.
    pub(super) statuses: Vec<u16>,
}

impl SigningClient {
    /// Returns whether the client signs Content-Type.
    pub(super) fn signs_content_type(self) -> bool {
        match self {
            Self::Boto3 | Self::Boto3Dated | Self::JavaScript | Self::Cli => true,
            Self::JavaScriptV2 | Self::Aws4fetch => false,
        }
    }

    /// Makes all calls. An SDK makes the calls in one process. The CLI has one process per call.
    pub(super) fn call(
        self,
        identity: &Identity,
        endpoint_url: &str,
        calls: &[Call],
    ) -> Vec<CallOutcome> {
        let sdk = match self {
            Self::Boto3 => Sdk::Boto3,
            Self::Boto3Dated => Sdk::Boto3Dated,
            Self::JavaScript => Sdk::JavaScript,
            Self::JavaScriptV2 => Sdk::JavaScriptV2,
            Self::Aws4fetch => Sdk::Aws4fetch,
            Self::Cli => {
                let call = |call: &Call| call.run_cli(identity, endpoint_url);
                return calls.iter().map(call).collect();
            }
        };
        let calls: Vec<_> = calls.iter().map(Call::to_call).collect();
        let outcomes = sdk.call_as(identity, endpoint_url, &calls);
        let reply = |outcome: Outcome| CallOutcome {
            statuses: outcome.statuses(),
            result: match (outcome.output, outcome.error) {
                (Some(response), None) => Ok(response),
                (None, Some(error)) => Err((error.name, error.message)),
                other => panic!("{other:?}"),
            },
        };
        outcomes.into_iter().map(reply).collect()
    }
}

impl From<Operation> for Call {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::GenerateRandom => Self::Plain,
            Operation::DescribeCustomKeyStores => Self::List,
        }
    }
}

impl Call {
    fn to_call(&self) -> Value {
        match self {
            Self::Plain => {
                json!({ "operation": "GenerateRandom", "parameters": { "NumberOfBytes": 32 } })
            }
            Self::Sealed(document) => json!({
                "operation": "GenerateRandom",
                "parameters": {
                    "NumberOfBytes": 32,
                    "Recipient": {
                        "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
                        "AttestationDocument": STANDARD.encode(document),
                    },
                },
            }),
            Self::List => json!({ "operation": "DescribeCustomKeyStores", "parameters": {} }),
        }
    }

    fn run_cli(&self, identity: &Identity, endpoint_url: &str) -> CallOutcome {
        // Only the debug log shows the number of attempts.
        let call = |arguments: &[&str]| {
            CallOutcome::from_cli(&cli_as(
                identity,
                endpoint_url,
                &[arguments, &["--debug"]].concat(),
            ))
        };
        match self {
            Self::Plain => call(&["generate-random", "--number-of-bytes", "32"]),
            Self::Sealed(document) => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("document");
                std::fs::write(&file, document).unwrap();
                let recipient = format!(
                    "KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument@=fileb://{}",
                    file.display()
                );
                call(&["generate-random", "--number-of-bytes", "32", "--recipient", &recipient])
            }
            Self::List => call(&["describe-custom-key-stores"]),
        }
    }
}

impl CallOutcome {
    fn from_cli(output: &Output) -> Self {
        let stderr = str::from_utf8(&output.stderr).unwrap();
        // urllib3 logs each response in this format.
        let responses = stderr.split(r#""POST / HTTP/1.1" "#).skip(1);
        let statuses = responses.map(|rest| rest.split(' ').next().unwrap().parse().unwrap());
        let result = match output.status.code() {
            Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            code => {
                assert_eq!(
                    (code, output.stdout.as_slice()),
                    (Some(255), b"".as_slice()),
                    "{stderr}"
                );
                let error = stderr.lines().rev().find_map(|line| {
                    let (_, error) = line.split_once("An error occurred (")?;
                    let (name, rest) = error.split_once(") when calling the ")?;
                    // After several attempts, the CLI adds the number of attempts to this message.
                    let (_, message) = rest.split_once(" operation: ")?;
                    Some((name.to_owned(), message.to_owned()))
                });
                Err(error.unwrap_or_else(|| panic!("{stderr}")))
            }
        };
        Self { result, statuses: statuses.collect() }
    }

    /// Returns the only member of the response. Asserts that the first attempt succeeded.
    pub(super) fn only_blob(&self, member: &str) -> Vec<u8> {
        assert_eq!(self.statuses, [200]);
        let response = self.result.as_ref().unwrap_or_else(|_| panic!("{self:?}"));
        assert_eq!(response.keys().collect::<Vec<_>>(), [member]);
        STANDARD.decode(response[member].as_str().unwrap()).unwrap()
    }
}
