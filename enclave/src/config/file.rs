//! The file's tables, with their final types. Secrets are read into what hides them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use attestation::MaxAge;
use attestation::time::UnixMillis;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use toml::value::Datetime;

use super::audit::AuditTable;
use super::contents::Counts;
use super::egress::EgressTable;
use super::key_store::KeyStoreTable;
#[cfg(feature = "simulator")]
use super::platform::SimulatorTable;
use super::platform::{EntropyTable, PlatformTable};
use super::posture::Posture;
use super::server::ServerTable;
use super::tls::TlsTable;
use super::verification::VerificationTable;
use crate::auth::Secret;
use crate::policy::Plaintext;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    #[serde(default)]
    pub(super) server: ServerTable,
    #[serde(default)]
    pub(super) trust: TrustTable,
    #[serde(default)]
    pub(super) auth: AuthTable,
    #[serde(default)]
    pub(super) credential: Vec<CredentialTable>,
    #[serde(default)]
    pub(super) recipient: RecipientTable,
    #[serde(default)]
    pub(super) throttle: ThrottleTable,
    #[serde(default)]
    pub(super) audit: AuditTable,
    #[serde(default)]
    pub(super) verification: VerificationTable,
    #[serde(default)]
    pub(super) entropy: EntropyTable,
    #[serde(default)]
    pub(super) platform: PlatformTable,
    #[serde(default)]
    pub(super) tls: TlsTable,
    #[serde(default)]
    pub(super) key_store: Vec<KeyStoreTable>,
    #[serde(default)]
    pub(super) egress: Vec<EgressTable>,
    /// What the second binary alone understands, and the first has not even a name for.
    #[cfg(feature = "simulator")]
    pub(super) simulator: Option<SimulatorTable>,
}

impl ConfigFile {
    /// How much it has of what is measured in its own way.
    pub(super) fn counts(&self) -> Counts {
        let secrets =
            |credential: &CredentialTable| 1 + usize::from(credential.session_token.is_some());
        let policies = |credential: &CredentialTable| credential.policies.len();
        let of_stores = |has: fn(&KeyStoreTable) -> bool| {
            self.key_store.iter().filter(|store| has(store)).count()
        };
        Counts {
            secrets: self.credential.iter().map(secrets).sum(),
            files: self.trust.anchors.len()
                + self.credential.iter().map(policies).sum::<usize>()
                + usize::from(self.tls.certificate.is_some())
                + of_stores(|store| store.trust_anchor_certificate.is_some()),
            secret_files: usize::from(self.tls.private_key.is_some())
                + of_stores(|store| store.pin_file.is_some()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustTable {
    /// PEM files of roots to trust beside the platform's own, such as that of another partition.
    #[serde(default)]
    pub(super) anchors: Vec<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthTable {
    mode: Option<AuthMode>,
    /// The region that clients sign for.
    pub(super) region: Option<String>,
}

impl AuthTable {
    /// Whom to answer, of whom nothing may be written.
    pub(super) fn mode(&self, posture: Posture) -> AuthMode {
        self.mode.unwrap_or(match posture {
            Posture::Production => AuthMode::Sigv4,
            Posture::Laptop => AuthMode::None,
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthMode {
    /// Everybody is answered.
    None,
    /// Who signs with a credential of this file.
    Sigv4,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialTable {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    /// An ARN.
    pub(super) principal: String,
    /// Files.
    pub(super) policies: Vec<PathBuf>,
    pub(super) session_token: Option<Secret>,
    pub(super) expires: Option<Expires>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipientTable {
    #[serde(default)]
    pub(super) require: bool,
    pub(super) max_age: Option<Age>,
    #[serde(default)]
    pub(super) allow_debug: bool,
    /// By register, in hexadecimal.
    #[serde(default)]
    pub(super) measurements: Vec<BTreeMap<String, String>>,
    pub(super) plaintext: Option<PlaintextWord>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThrottleTable {
    /// Requests a second; 0 is no limit.
    #[serde(default)]
    pub(super) per_principal: u32,
    /// Requests a second of all principals together; 0 is no limit.
    #[serde(default)]
    pub(super) total: u32,
}

/// How old a document may be: seconds, or `"chain"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age(pub(super) MaxAge);

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AgeVisitor;
        impl Visitor<'_> for AgeVisitor {
            type Value = Age;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("seconds, at least 1, or \"chain\"")
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Age, E> {
                match u64::try_from(seconds) {
                    Ok(seconds @ 1..) => Ok(Age(MaxAge::Seconds(seconds))),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(seconds), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Age, E> {
                match text {
                    "chain" => Ok(Age(MaxAge::Chain)),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(AgeVisitor)
    }
}

/// The value of `plaintext`, by its word.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaintextWord(pub(super) Plaintext);

/// Values of `plaintext` that were replaced, because `"deny"` answered over attested TLS, and what to
/// write instead of each.
const REPLACED_WORDS: [(&str, &str); 2] = [
    (
        "deny",
        "\"deny\" is no value of plaintext any more: write \"attested-tls\", which answers over attested \
         TLS as \"deny\" did, or \"never\", which refuses every request without a Recipient as \"deny\" \
         did with [tls] mode \"provided\"",
    ),
    (
        "allow",
        "\"allow\" is no value of plaintext any more: write \"always\", which answers as \"allow\" did; \
         the others are \"attested-tls\" and \"never\"",
    ),
];

impl<'de> Deserialize<'de> for PlaintextWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor;
        impl Visitor<'_> for WordVisitor {
            type Value = PlaintextWord;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"never\", \"attested-tls\" or \"always\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PlaintextWord, E> {
                if let Some(value) = Plaintext::ALL.into_iter().find(|value| value.word() == text) {
                    return Ok(PlaintextWord(value));
                }
                match REPLACED_WORDS.into_iter().find(|(word, _)| *word == text) {
                    Some((_, advice)) => Err(E::custom(advice)),
                    None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(WordVisitor)
    }
}

/// A moment, as text or as TOML's own kind of value; RFC 3339 both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expires(pub(super) UnixMillis);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a time such as 2027-01-31T12:00:00Z, with its offset")]
enum Moment {
    Datetime(Datetime),
    Text(String),
}

impl<'de> Deserialize<'de> for Expires {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Moment::deserialize(deserializer)? {
            Moment::Datetime(moment) => moment.to_string(),
            Moment::Text(text) => text,
        };
        // It is not repeated: it may be a secret, misplaced.
        UnixMillis::from_rfc3339(&text).map(Self).ok_or_else(|| {
            de::Error::custom("expected a time such as 2027-01-31T12:00:00Z, with its offset")
        })
    }
}
