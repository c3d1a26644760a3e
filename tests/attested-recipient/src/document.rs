//! Attestation documents to request from a simulator.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::recipient::RecipientKey;

/// The platform whose measurements a document contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A Nitro Enclave, with the field `pcrs`.
    #[default]
    Enclave,
    /// An instance with a NitroTPM, with the field `nitrotpm_pcrs`.
    NitroTpm,
}

/// A document to request from a simulator. Omitted PCRs have the simulator's fixed values.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Field `public_key`: a recipient's key as DER SubjectPublicKeyInfo, or any other 1 to 1,024 bytes.
    pub public_key: Option<Vec<u8>>,
    /// Field `user_data`, at most 1,024 bytes.
    pub user_data: Option<Vec<u8>>,
    /// Field `nonce`, at most 1,024 bytes.
    pub nonce: Option<Vec<u8>>,
    /// PCR values of 48 bytes, by index below 32.
    pub pcrs: BTreeMap<u8, [u8; 48]>,
    /// The platform whose measurements the document contains.
    pub kind: Kind,
    /// True for a document of an enclave in debug mode: PCR0, PCR1 and PCR2 are zero.
    pub debug: bool,
    /// Age of the document, in seconds.
    pub age_seconds: u64,
}

impl Document {
    /// Creates the description of an enclave's document that contains the public key `key` and has
    /// an age of zero.
    pub fn for_key(key: &RecipientKey) -> Self {
        Self { public_key: Some(key.public_key_der().to_vec()), ..Self::default() }
    }

    /// Returns the body of `POST /simulator/attest`.
    pub(crate) fn to_json(&self) -> String {
        let mut body = Map::new();
        for (name, value) in [
            ("public_key", &self.public_key),
            ("user_data", &self.user_data),
            ("nonce", &self.nonce),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), STANDARD.encode(value).into());
            }
        }
        let kind = match self.kind {
            Kind::Enclave => "enclave",
            Kind::NitroTpm => "nitrotpm",
        };
        let pcrs: Map<String, Value> = self
            .pcrs
            .iter()
            .map(|(index, value)| (index.to_string(), const_hex::encode(value).into()))
            .collect();
        body.insert("kind".to_owned(), kind.into());
        body.insert("pcrs".to_owned(), pcrs.into());
        body.insert("debug".to_owned(), self.debug.into());
        body.insert("age_seconds".to_owned(), json!(self.age_seconds));
        Value::Object(body).to_string()
    }
}
