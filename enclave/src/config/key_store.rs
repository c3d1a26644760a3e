//! The tables `[[key_store]]`.

mod error;
mod syntax;

use std::path::PathBuf;
use std::time::Duration;

use attestation::receipt::MAX_SOURCE_LENGTH;
use attestation::tls::not_after;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::error::InvalidKeyStore;
use self::syntax::{is_cluster_id, is_id, is_variable, proxy};
use super::bounded_u32::BoundedU32;
use super::bundle::ConfigBundle;
use super::certificates::{InvalidCertificate, parse_certificates};
use super::hsm_pin::parse_pin;
use crate::key_store::{HsmSettings, KeyStoreKind, KeyStoreSettings, Pin, Token, XksProxy};
use crate::receipts::ReceiptMode;

/// Maximum number of key stores. Each connected HSM store has its own threads.
const MAX_KEY_STORES: usize = 100;

/// Maximum length of a trust anchor, in characters, as in `TrustAnchorCertificateType` of the KMS API model.
const MAX_TRUST_ANCHOR_LENGTH: usize = 5000;

/// Maximum length of a token label, in bytes, as in `CK_TOKEN_INFO` of PKCS#11.
const MAX_LABEL_LENGTH: usize = 32;

/// Default maximum time that a request waits for an HSM.
pub(super) const DEFAULT_HSM_DEADLINE: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyStoreTable {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: KeyStoreType,
    /// The URI of the proxy of an external key store. The keys below are only for HSM key stores.
    uri: Option<String>,
    /// The path of the PKCS#11 module.
    module: Option<PathBuf>,
    token_label: Option<String>,
    slot: Option<u64>,
    /// The name of the secret file with the user's PIN.
    pub(super) pin_file: Option<PathBuf>,
    /// The environment variable with the user's PIN.
    pin_env: Option<String>,
    cluster_id: Option<String>,
    /// The name of a PEM file with the certificate.
    pub(super) trust_anchor_certificate: Option<PathBuf>,
    /// Maximum time that a request waits for the HSM, in milliseconds.
    deadline_ms: Option<BoundedU32<10, 60_000>>,
    connect: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum KeyStoreType {
    AwsCloudhsm,
    ExternalKeyStore,
}

/// Builds the settings of all stores. Rejects stores that share an identifier.
pub(super) fn key_stores(
    tables: Vec<KeyStoreTable>,
    bundle: &ConfigBundle,
    receipt_mode: ReceiptMode,
) -> Result<Vec<KeyStoreSettings>, InvalidKeyStores> {
    if tables.len() > MAX_KEY_STORES {
        return Err(InvalidKeyStores::TooMany);
    }
    let mut stores = Vec::with_capacity(tables.len());
    for (table, number) in tables.into_iter().zip(1..) {
        let store = table
            .settings(bundle)
            .and_then(|store| check_unique(&store, &stores).map(|()| store))
            .and_then(|store| check_id_length(&store, receipt_mode).map(|()| store))
            .map_err(|reason| InvalidKeyStores::KeyStore { number, reason })?;
        stores.push(store);
    }
    Ok(stores)
}

/// Rejects an ID that does not fit in a receipt.
fn check_id_length(
    store: &KeyStoreSettings,
    receipt_mode: ReceiptMode,
) -> Result<(), InvalidKeyStore> {
    let length = store.id.len();
    match receipt_mode {
        ReceiptMode::OnRequest | ReceiptMode::Always if length > MAX_SOURCE_LENGTH => {
            Err(InvalidKeyStore::LongId { length })
        }
        _ => Ok(()),
    }
}

/// Rejects `store` if one of `others` has the same ID, name, cluster or token.
fn check_unique(
    store: &KeyStoreSettings,
    others: &[KeyStoreSettings],
) -> Result<(), InvalidKeyStore> {
    for (other, number) in others.iter().zip(1..) {
        let shared = match (&store.kind, &other.kind) {
            _ if store.id == other.id => Some("id"),
            _ if store.name == other.name => Some("name"),
            (KeyStoreKind::Hsm(hsm), KeyStoreKind::Hsm(other)) => shared_hsm_key(hsm, other),
            _ => None,
        };
        if let Some(key) = shared {
            return Err(InvalidKeyStore::Duplicate { key, other: number });
        }
    }
    Ok(())
}

/// Returns the name of the key that has the same value in two HSM stores, if there is one.
///
/// A PKCS#11 login applies to the whole process. With the same token, the second store would therefore work even
/// with a wrong PIN.
fn shared_hsm_key(hsm: &HsmSettings, other: &HsmSettings) -> Option<&'static str> {
    if hsm.cluster_id == other.cluster_id {
        Some("cluster_id")
    } else if hsm.module == other.module && hsm.token == other.token {
        Some(match hsm.token {
            Token::Label(_) => "token_label",
            Token::Slot(_) => "slot",
        })
    } else {
        None
    }
}

impl KeyStoreTable {
    fn settings(mut self, bundle: &ConfigBundle) -> Result<KeyStoreSettings, InvalidKeyStore> {
        if !is_id(&self.id) {
            return Err(InvalidKeyStore::Id);
        }
        if !(1..=256).contains(&self.name.chars().count()) || self.name.contains(char::is_control) {
            return Err(InvalidKeyStore::Name);
        }
        let kind = match self.kind {
            KeyStoreType::AwsCloudhsm => KeyStoreKind::Hsm(Box::new(self.hsm(bundle)?)),
            KeyStoreType::ExternalKeyStore => KeyStoreKind::External(self.external()?),
        };
        Ok(KeyStoreSettings { id: self.id, name: self.name, kind })
    }

    fn external(&mut self) -> Result<XksProxy, InvalidKeyStore> {
        const KIND: &str = "EXTERNAL_KEY_STORE";
        let unused = [
            ("module", self.module.is_some()),
            ("token_label", self.token_label.is_some()),
            ("slot", self.slot.is_some()),
            ("pin_file", self.pin_file.is_some()),
            ("pin_env", self.pin_env.is_some()),
            ("cluster_id", self.cluster_id.is_some()),
            ("trust_anchor_certificate", self.trust_anchor_certificate.is_some()),
            ("deadline_ms", self.deadline_ms.is_some()),
            ("connect", self.connect.is_some()),
        ];
        if let Some((key, _)) = unused.into_iter().find(|(_, is_there)| *is_there) {
            return Err(InvalidKeyStore::Unused { key, kind: KIND });
        }
        let uri = self.uri.take();
        let uri = uri.ok_or(InvalidKeyStore::Missing { key: "uri", kind: KIND })?;
        proxy(&uri).ok_or(InvalidKeyStore::Uri)
    }

    fn hsm(&mut self, bundle: &ConfigBundle) -> Result<HsmSettings, InvalidKeyStore> {
        const KIND: &str = "AWS_CLOUDHSM";
        let missing = |key| InvalidKeyStore::Missing { key, kind: KIND };
        if self.uri.is_some() {
            return Err(InvalidKeyStore::Unused { key: "uri", kind: KIND });
        }
        let module = self.module.take().ok_or(missing("module"))?;
        if !module.is_absolute() {
            return Err(InvalidKeyStore::RelativeModule);
        }
        let cluster_id = self.cluster_id.take().ok_or(missing("cluster_id"))?;
        if !is_cluster_id(&cluster_id) {
            return Err(InvalidKeyStore::ClusterId);
        }
        Ok(HsmSettings {
            module,
            token: self.token()?,
            pin: self.pin(bundle)?,
            cluster_id,
            trust_anchor_certificate: self.trust_anchor(bundle)?,
            deadline: self.deadline_ms.map_or(DEFAULT_HSM_DEADLINE, BoundedU32::milliseconds),
            connect: self.connect.unwrap_or(true),
        })
    }

    fn token(&mut self) -> Result<Token, InvalidKeyStore> {
        match (self.token_label.take(), self.slot) {
            (Some(label), None) => {
                let fits = (1..=MAX_LABEL_LENGTH).contains(&label.len()) && !label.ends_with(' ');
                if fits { Ok(Token::Label(label)) } else { Err(InvalidKeyStore::TokenLabel) }
            }
            (None, Some(slot)) => Ok(Token::Slot(slot)),
            (Some(_), Some(_)) | (None, None) => Err(InvalidKeyStore::TokenChoice),
        }
    }

    fn pin(&mut self, bundle: &ConfigBundle) -> Result<Pin, InvalidKeyStore> {
        match (self.pin_file.take(), self.pin_env.take()) {
            (Some(file), None) => {
                let file = bundle.file(&file).map_err(InvalidKeyStore::ReadPin)?;
                let pin = parse_pin(file).ok_or(InvalidKeyStore::Pin)?;
                Ok(Pin::Known(Zeroizing::new(pin.to_vec())))
            }
            (None, Some(name)) if is_variable(&name) => Ok(Pin::Environment(name)),
            (None, Some(_)) => Err(InvalidKeyStore::PinVariable),
            (Some(_), Some(_)) | (None, None) => Err(InvalidKeyStore::PinChoice),
        }
    }

    fn trust_anchor(&self, bundle: &ConfigBundle) -> Result<Option<String>, InvalidKeyStore> {
        let Some(name) = &self.trust_anchor_certificate else { return Ok(None) };
        let path = bundle.path_of(name);
        let pem = match bundle.file(name) {
            Ok(pem) => pem,
            Err(error) => return Err(InvalidKeyStore::ReadTrustAnchor { path, error }),
        };
        let is_readable = match parse_certificates(pem) {
            Ok(chain) => chain.iter().all(|certificate| not_after(certificate).is_some()),
            Err(reason) => return Err(InvalidKeyStore::TrustAnchor { path, reason }),
        };
        if !is_readable {
            let reason = InvalidCertificate::NotX509;
            return Err(InvalidKeyStore::TrustAnchor { path, reason });
        }
        match str::from_utf8(pem) {
            Ok(text) if text.chars().count() <= MAX_TRUST_ANCHOR_LENGTH => {
                Ok(Some(text.to_owned()))
            }
            Ok(_) | Err(_) => Err(InvalidKeyStore::LongTrustAnchor { path }),
        }
    }
}

/// The error for the tables `[[key_store]]`, which are numbered from 1.
#[derive(Debug, Error)]
pub enum InvalidKeyStores {
    /// Too many key stores.
    #[error("there are more than 100 [[key_store]] tables: remove some")]
    TooMany,
    /// An invalid key store.
    #[error("[[key_store]] number {number}: {reason}")]
    KeyStore {
        /// The number of the entry, from 1.
        number: usize,
        /// The cause.
        reason: InvalidKeyStore,
    },
}
