//! What the service itself asks of a request's Recipient, whoever calls: the table `[recipient]`.

use std::collections::BTreeMap;

use attestation::{DebugMode, MaxAge, PCR_LENGTH, PcrFamily, PcrValue, Pcrs};
use thiserror::Error;

use super::authorization_error::DenialReason;
use crate::iam::ConditionKey;
use crate::request::TransportSecurity;

/// What is asked of Recipients.
#[derive(Debug, Default)]
pub struct RecipientPolicy {
    /// Whether a request must have one.
    pub require: bool,
    /// Whether a request without one may be answered in the clear.
    pub plaintext: Plaintext,
    /// How old its document may be.
    pub max_age: MaxAge,
    /// Whether it may be in debug mode.
    pub debug: DebugMode,
    /// What its document must have measured: all of any one entry. Without an entry, anything.
    pub measurements: Vec<Vec<Measurement>>,
}

/// The rules for attestation documents of Recipients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentRules {
    pub(crate) max_age: MaxAge,
    /// Whether enclaves in debug mode are accepted.
    pub(crate) debug: DebugMode,
}

/// The connections over which requests without a Recipient are answered, in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// None.
    Never,
    /// TLS whose keys were made in the enclave, which its attestation document binds.
    #[default]
    AttestedTls,
    /// All, also those that others can read.
    Always,
}

impl Plaintext {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Never, Self::AttestedTls, Self::Always];

    /// Returns its word, in the configuration, the log and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AttestedTls => "attested-tls",
            Self::Always => "always",
        }
    }
}

/// The value that one register must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    family: PcrFamily,
    index: usize,
    value: PcrValue,
}

/// Why an entry, of names and values, is none to ask for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidMeasurement {
    /// Without a measurement.
    #[error("it is empty, and would admit every document: remove it")]
    Empty,
    /// Of two families, which no document has both of.
    #[error(
        "{first} is of an enclave and {second} of a NitroTPM, which no document has together: \
         write two entries"
    )]
    MixedFamilies {
        /// An enclave's.
        first: String,
        /// A NitroTPM's.
        second: String,
    },
    /// One register by two names.
    #[error("{first} and {second} are one register: write one of them")]
    DuplicateRegister {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// No register.
    #[error(
        "no register {name:?}: write PCR0 to PCR31, ImageSha384, or NitroTPMPCR0 to NitroTPMPCR31"
    )]
    UnknownRegister {
        /// What is there instead.
        name: String,
    },
    /// Not 48 bytes.
    #[error("{name} is not a measurement: 96 hexadecimal digits")]
    InvalidValue {
        /// Of which register.
        name: String,
    },
    /// What an enclave in debug mode measures.
    #[error(
        "{name} is all zeros, which is what every enclave in debug mode measures: give the value \
         that nitro-cli build-enclave printed"
    )]
    AllZero {
        /// Of which register.
        name: String,
    },
    /// What no TPM measures whose firmware does.
    #[error(
        "{name} is all zeros, which a NitroTPM has only if its firmware measured nothing: give the \
         value that nitro-tpm-pcr-compute printed"
    )]
    AllZeroNitroTpm {
        /// Of which register.
        name: String,
    },
}

impl RecipientPolicy {
    /// Judges a request without a Recipient, which came over `transport_security`.
    pub(super) fn check_plaintext(
        &self,
        transport_security: TransportSecurity,
    ) -> Result<(), DenialReason> {
        if self.require {
            return Err(DenialReason::RecipientRequired);
        }
        match (self.plaintext, transport_security) {
            (Plaintext::Always, _)
            | (Plaintext::AttestedTls, TransportSecurity::AttestedTls(_)) => Ok(()),
            (
                Plaintext::AttestedTls,
                TransportSecurity::Plaintext | TransportSecurity::ProvidedTls(_),
            ) => Err(DenialReason::PlaintextOutsideAttestedTls),
            (Plaintext::Never, _) => Err(DenialReason::RecipientRequired),
        }
    }

    /// Judges what a verified document measured.
    pub(super) fn check_measurements(&self, pcrs: &Pcrs<'_>) -> Result<(), DenialReason> {
        let matches =
            |all: &Vec<Measurement>| all.iter().all(|measurement| measurement.matches(pcrs));
        if self.measurements.is_empty() || self.measurements.iter().any(matches) {
            Ok(())
        } else {
            Err(DenialReason::MeasurementsNotListed)
        }
    }
}

impl Measurement {
    /// All that one entry asks for, by the registers' names.
    ///
    /// # Errors
    /// If it asks for nothing, for what no document has, or for one register twice, or if one of its
    /// measurements is none.
    pub fn parse_all(entry: &BTreeMap<String, String>) -> Result<Vec<Self>, InvalidMeasurement> {
        if entry.is_empty() {
            return Err(InvalidMeasurement::Empty);
        }
        let mut parsed = Vec::<(&String, Self)>::with_capacity(entry.len());
        for (name, hex) in entry {
            let measurement = Self::parse(name, hex)?;
            for (first, other) in &parsed {
                measurement.check_compatible(other, first, name)?;
            }
            parsed.push((name, measurement));
        }
        Ok(parsed.into_iter().map(|(_, measurement)| measurement).collect())
    }

    /// Whether one entry can ask for it and for `other`; their names are `second` and `first`.
    fn check_compatible(
        &self,
        other: &Self,
        first: &str,
        second: &str,
    ) -> Result<(), InvalidMeasurement> {
        let (first, second) = (first.to_owned(), second.to_owned());
        match (other.family, self.family) {
            (PcrFamily::NitroEnclave, PcrFamily::NitroTpm) => {
                Err(InvalidMeasurement::MixedFamilies { first, second })
            }
            (PcrFamily::NitroTpm, PcrFamily::NitroEnclave) => {
                Err(InvalidMeasurement::MixedFamilies { first: second, second: first })
            }
            _ if other.index == self.index => {
                Err(InvalidMeasurement::DuplicateRegister { first, second })
            }
            _ => Ok(()),
        }
    }

    /// From a register's name, as condition keys have it, and its value in hexadecimal.
    ///
    /// # Errors
    /// If it names no register, or its value admits those that have not measured.
    pub fn parse(name: &str, hex: &str) -> Result<Self, InvalidMeasurement> {
        let key = ConditionKey::parse(&["kms:RecipientAttestation:", name].concat());
        let (key, (family, index)) = key
            .and_then(|key| Some((key, key.register()?)))
            .ok_or_else(|| InvalidMeasurement::UnknownRegister { name: name.to_owned() })?;
        let invalid = || InvalidMeasurement::InvalidValue { name: name.to_owned() };
        let mut value = [0; PCR_LENGTH];
        // It would take the prefix 0x.
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        const_hex::decode_to_slice(hex, &mut value).map_err(|_| invalid())?;
        if key.is_unmeasured_if_zero() && value.iter().all(|byte| *byte == 0) {
            let name = name.to_owned();
            return Err(match family {
                PcrFamily::NitroEnclave => InvalidMeasurement::AllZero { name },
                PcrFamily::NitroTpm => InvalidMeasurement::AllZeroNitroTpm { name },
            });
        }
        Ok(Self { family, index: index.into(), value })
    }

    fn matches(&self, pcrs: &Pcrs<'_>) -> bool {
        pcrs.family() == self.family && pcrs.value(self.index) == Some(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::TlsDetails;

    #[test]
    fn plaintext_setting_selects_allowed_connections() {
        let details = TlsDetails { version: "TLSv1.3", cipher_suite: "TLS_AES_128_GCM_SHA256" };
        let transports = [
            TransportSecurity::Plaintext,
            TransportSecurity::AttestedTls(details),
            TransportSecurity::ProvidedTls(details),
        ];
        let outside = Err(DenialReason::PlaintextOutsideAttestedTls);
        for (plaintext, expected) in [
            (Plaintext::Never, [(); 3].map(|()| Err(DenialReason::RecipientRequired))),
            (Plaintext::AttestedTls, [outside.clone(), Ok(()), outside]),
            (Plaintext::Always, [Ok(()), Ok(()), Ok(())]),
        ] {
            let policy = RecipientPolicy { plaintext, ..RecipientPolicy::default() };
            assert_eq!(
                transports.map(|transport_security| policy.check_plaintext(transport_security)),
                expected
            );
            let policy = RecipientPolicy { require: true, ..policy };
            let denied = [(); 3].map(|()| Err(DenialReason::RecipientRequired));
            assert_eq!(
                transports.map(|transport_security| policy.check_plaintext(transport_security)),
                denied
            );
        }
    }
}
