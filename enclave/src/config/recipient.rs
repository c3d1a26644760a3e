//! The table `[recipient]`.

use std::collections::BTreeMap;
use std::fmt;

use attestation::{DebugMode, MaxAge};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use thiserror::Error;

use super::profile::Profile;
use crate::policy::{InvalidMeasurement, Measurement, Plaintext, RecipientPolicy};
use crate::tls::TlsSettings;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipientTable {
    #[serde(default)]
    pub(super) require: bool,
    max_age: Option<MaxAgeValue>,
    #[serde(default)]
    allow_debug: bool,
    /// The accepted measurements. Each entry maps register names to PCR values in hexadecimal.
    #[serde(default)]
    measurements: Vec<BTreeMap<String, String>>,
    plaintext: Option<PlaintextValue>,
}

impl RecipientTable {
    /// Builds the Recipient policy, with the defaults of `profile`.
    pub(super) fn policy(
        self,
        tls: &TlsSettings,
        profile: Profile,
    ) -> Result<RecipientPolicy, InvalidRecipient> {
        let tls_is_provided = matches!(tls, TlsSettings::Provided(_));
        let plaintext = match self.plaintext {
            Some(PlaintextValue(Plaintext::AttestedTls)) if tls_is_provided => {
                return Err(InvalidRecipient::ProvidedTlsIsNotAttested);
            }
            Some(PlaintextValue(plaintext)) => plaintext,
            None => profile.default_plaintext(tls_is_provided),
        };
        let mut measurements = Vec::with_capacity(self.measurements.len());
        for (entry, number) in self.measurements.iter().zip(1..) {
            let entry = Measurement::parse_all(entry)
                .map_err(|reason| InvalidRecipient::Measurements { number, reason })?;
            measurements.push(entry);
        }
        Ok(RecipientPolicy {
            require: self.require,
            plaintext,
            max_age: self.max_age.map_or_else(MaxAge::default, |age| age.0),
            debug: if self.allow_debug { DebugMode::Allow } else { DebugMode::Reject },
            measurements,
        })
    }
}

/// The maximum age of a document: seconds, or `"chain"`.
#[derive(Clone, Copy, Debug)]
struct MaxAgeValue(MaxAge);

impl<'de> Deserialize<'de> for MaxAgeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MaxAgeVisitor;
        impl Visitor<'_> for MaxAgeVisitor {
            type Value = MaxAgeValue;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number of seconds from 1, or \"chain\"")
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<MaxAgeValue, E> {
                match u64::try_from(seconds) {
                    Ok(seconds @ 1..) => Ok(MaxAgeValue(MaxAge::Seconds(seconds))),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(seconds), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MaxAgeValue, E> {
                match text {
                    "chain" => Ok(MaxAgeValue(MaxAge::Chain)),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(MaxAgeVisitor)
    }
}

/// The value of `plaintext`.
#[derive(Clone, Copy, Debug)]
struct PlaintextValue(Plaintext);

impl<'de> Deserialize<'de> for PlaintextValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlaintextVisitor;
        impl Visitor<'_> for PlaintextVisitor {
            type Value = PlaintextValue;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"never\", \"attested-tls\" or \"always\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PlaintextValue, E> {
                let value = Plaintext::ALL.into_iter().find(|value| value.as_str() == text);
                value
                    .map(PlaintextValue)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(PlaintextVisitor)
    }
}

/// The error for the table `[recipient]`. Entries are numbered from 1.
#[derive(Debug, Error)]
pub enum InvalidRecipient {
    /// The value `attested-tls` with a provided TLS key. No document attests a provided key.
    #[error(
        "[recipient] plaintext is \"attested-tls\", but [tls] mode is \"provided\", whose key no \
         document attests: write plaintext = \"never\" to deny requests without a Recipient, \
         plaintext = \"always\" to allow them, or [tls] mode = \"attested\""
    )]
    ProvidedTlsIsNotAttested,
    /// An invalid entry, or an entry that enclaves in debug mode would match.
    #[error("[recipient] measurements, entry {number}: {reason}")]
    Measurements {
        /// The number of the entry, from 1.
        number: usize,
        /// The cause.
        reason: InvalidMeasurement,
    },
}
