//! The clients that a relay tries to deceive.

use attested_recipient::verified_connection::{Request, Verifier, VerifierClock};
use attested_recipient::{Client, Expectations};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::binaries::Process;
use crate::clients::{Outcome, Sdk};

/// A kind of client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientKind {
    /// The verified connections of the Rust library.
    Connection,
    /// The client of the Rust library.
    Rust,
    /// boto3, which does not know receipts, behind `attested-recipient proxy`.
    Boto3,
}

/// A running client.
pub(crate) enum Victim {
    Connection(Verifier, Runtime),
    Rust(Client),
    /// The proxy of the SDK.
    Boto3(Process),
}

impl ClientKind {
    pub(crate) const ALL: [Self; 3] = [Self::Connection, Self::Rust, Self::Boto3];

    /// Starts a client of the service at `url`.
    pub(crate) fn start(self, url: &str) -> Victim {
        match self {
            Self::Connection => {
                let clock = VerifierClock::of_this_machine().unwrap();
                let upstream = url.parse().unwrap();
                let verifier = Verifier::new(upstream, Expectations::simulator(), clock);
                Victim::Connection(verifier, Runtime::new().unwrap())
            }
            Self::Rust => Victim::Rust(suite::client(url)),
            Self::Boto3 => {
                let mut command = suite::command();
                command.args(["proxy", "--listen", "127.0.0.1:0", "--upstream", url]);
                command.arg("--simulator");
                Victim::Boto3(Process::start(command, 1))
            }
        }
    }
}

impl Victim {
    /// Requests 32 random bytes, sealed to the key in `document` if there is one. Returns the response, or
    /// the reason of its rejection.
    pub(crate) fn random(&self, document: Option<&[u8]>) -> Result<Vec<u8>, String> {
        match self {
            Self::Connection(verifier, runtime) => runtime.block_on(send(verifier, document)),
            Self::Rust(client) => match document {
                Some(document) => client.generate_random_for(32, document),
                None => client.generate_random(32).map(|random| random.to_vec()),
            }
            .map_err(|error| error.to_string()),
            Self::Boto3(proxy) => {
                let address = proxy.endpoint(0).trim_start_matches("tcp:");
                let call = json!({
                    "operation": "GenerateRandom",
                    "parameters": parameters(document),
                });
                let outcomes = Sdk::Boto3.call(&*format!("http://{address}"), &[call]);
                let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
                result(outcome)
            }
        }
    }

    /// Asserts that the next response is rejected for this reason.
    pub(crate) fn assert_rejects(&self, document: Option<&[u8]>, reason: &str) {
        let error = self.random(document).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

async fn send(verifier: &Verifier, document: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let fields = [
        ("x-amz-target", "TrentService.GenerateRandom"),
        ("content-type", "application/x-amz-json-1.1"),
    ];
    let request = Request::new(fields, parameters(document).to_string().into_bytes()).unwrap();
    let mut connection = verifier.open().await.map_err(|error| error.to_string())?;
    let response = connection.send(&request).await.map_err(|error| error.to_string())?;
    assert_eq!(response.status(), 200);
    Ok(only_blob(&serde_json::from_slice(response.body()).unwrap()))
}

/// Returns the bytes that boto3 received, or the reason in the proxy's error.
fn result(outcome: &Outcome) -> Result<Vec<u8>, String> {
    let Some(error) = &outcome.error else {
        return Ok(only_blob(outcome.output.as_ref().unwrap()));
    };
    assert_eq!(error.name, "KMSInternalException", "{error:?}");
    assert!(outcome.statuses().iter().all(|status| *status == 502), "{outcome:?}");
    Err(error.message.clone())
}

/// Returns the blob of a response that has no other member.
fn only_blob(members: &Map<String, Value>) -> Vec<u8> {
    let [(_, blob)] = &members.iter().collect::<Vec<_>>()[..] else { panic!("{members:?}") };
    STANDARD.decode(blob.as_str().unwrap()).unwrap()
}

fn parameters(document: Option<&[u8]>) -> Value {
    let mut parameters = json!({ "NumberOfBytes": 32 });
    if let Some(document) = document {
        parameters["Recipient"] = json!({
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": STANDARD.encode(document),
        });
    }
    parameters
}

/// Runs `attested-recipient random`. Returns the random bytes, or the error message.
pub(crate) fn random_command(url: &str) -> Result<Vec<u8>, String> {
    let mut command = suite::command();
    command.args(["random", "--bytes", "32", "--output", "raw", "--endpoint", url, "--simulator"]);
    let output = command.output().unwrap();
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            assert_eq!(output.stdout, b"");
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }
}
