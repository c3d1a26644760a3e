//! What a simulated platform is asked to attest.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::recipient::RecipientKey;

/// Which platform measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A Nitro Enclave: `pcrs`.
    #[default]
    Enclave,
    /// An instance with a NitroTPM: `nitrotpm_pcrs`.
    NitroTpm,
}

/// A document to order from a simulator. What is left out gets the simulator's fixed measurements,
/// and no user data or nonce.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The field `public_key`: a recipient's key as DER SubjectPublicKeyInfo, or anything else.
    pub public_key: Option<Vec<u8>>,
    /// The field `user_data`; at most 1,024 bytes.
    pub user_data: Option<Vec<u8>>,
    /// The field `nonce`; at most 1,024 bytes.
    pub nonce: Option<Vec<u8>>,
    /// Measurements by index below 32, 48 bytes each.
    pub pcrs: BTreeMap<u8, [u8; 48]>,
    /// Which platform measured.
    pub kind: Kind,
    /// PCR0, 1 and 2 are zero.
    pub debug: bool,
    /// How long ago it was signed.
    pub age_seconds: u64,
}

impl Document {
    /// A fresh document of an enclave that carries `key`.
    pub fn for_key(key: &RecipientKey) -> Self {
        Self { public_key: Some(key.public_key_der().to_vec()), ..Self::default() }
    }

    /// The body of `POST /simulator/attest`.
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
