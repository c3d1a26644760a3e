//! The clients that a relay tries to deceive.

use attested_recipient::Expectations;
use attested_recipient::verified_connection::{Request, Verifier, VerifierClock};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A kind of client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientKind {
    /// The verified connections of the Rust library.
    Connection,
}

/// A running client.
pub(crate) enum Victim {
    Connection(Verifier, Runtime),
}

impl ClientKind {
    pub(crate) const ALL: [Self; 1] = [Self::Connection];

    /// Starts a client of the service at `url`.
    pub(crate) fn start(self, url: &str) -> Victim {
        match self {
            Self::Connection => {
                let clock = VerifierClock::of_this_machine().unwrap();
                let upstream = url.parse().unwrap();
                let verifier = Verifier::new(upstream, Expectations::simulator(), clock);
                Victim::Connection(verifier, Runtime::new().unwrap())
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
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    let [(_, blob)] = &body.as_object().unwrap().iter().collect::<Vec<_>>()[..] else {
        panic!("{body}")
    };
    Ok(STANDARD.decode(blob.as_str().unwrap()).unwrap())
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
