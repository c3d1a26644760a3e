//! The rules for Recipients in the table `[recipient]`. These rules apply to all callers.

use std::collections::BTreeMap;

use attestation::{DebugMode, MaxAge, PCR_LENGTH, PcrFamily, PcrValue, Pcrs};
use thiserror::Error;

use super::authorization_error::DenialReason;
use crate::iam::ConditionKey;
use crate::request::TransportSecurity;

/// The rules for Recipients.
#[derive(Debug, Default)]
pub struct RecipientPolicy {
    /// True if a request must have a Recipient.
    pub require: bool,
    /// The connections over which a request without a Recipient receives a plaintext response.
    pub plaintext: Plaintext,
    /// The maximum age of the document.
    pub max_age: MaxAge,
    /// The rule for documents of enclaves in debug mode.
    pub debug: DebugMode,
    /// The allowed measurements. A document must match all measurements of at least one entry. An empty list
    /// allows every document.
    pub measurements: Vec<Vec<Measurement>>,
}

/// The rules for attestation documents of Recipients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentRules {
    pub(crate) max_age: MaxAge,
    /// The rule for enclaves in debug mode.
    pub(crate) debug: DebugMode,
}

/// The connections over which requests without a Recipient receive plaintext responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// No connection.
    Never,
    /// TLS with keys that the enclave generated. The attestation document of the enclave binds the
    /// certificate authority that certifies these keys.
    #[default]
    AttestedTls,
    /// Every connection, with or without TLS.
    Always,
}

impl Plaintext {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Never, Self::AttestedTls, Self::Always];

    /// Returns the text of the value in the configuration, in the log and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AttestedTls => "attested-tls",
            Self::Always => "always",
        }
    }
}

/// A register, and the value that this register must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    family: PcrFamily,
    index: usize,
    value: PcrValue,
}

/// The reason to reject an entry of measurements.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidMeasurement {
    /// The entry is empty.
    #[error("the entry is empty and would allow every document; remove the entry")]
    Empty,
    /// The entry contains registers of an enclave and of a NitroTPM, but a document contains only registers of one.
    #[error(
        "{first} belongs to an enclave and {second} to a NitroTPM, but a document contains only one of \
         the two; write two entries"
    )]
    MixedFamilies {
        /// The register of an enclave.
        first: String,
        /// The register of a NitroTPM.
        second: String,
    },
    /// The entry contains one register under two names.
    #[error("{first} and {second} are the same register; write only one of them")]
    DuplicateRegister {
        /// The first name.
        first: String,
        /// The second name.
        second: String,
    },
    /// The name is not the name of a register.
    #[error(
        "unknown register {name:?}; write PCR0 to PCR31, ImageSha384, or NitroTPMPCR0 to NitroTPMPCR31"
    )]
    UnknownRegister {
        /// The invalid name.
        name: String,
    },
    /// The value is not 48 bytes in hexadecimal.
    #[error("{name} is not a measurement; write 96 hexadecimal digits")]
    InvalidValue {
        /// The name of the register.
        name: String,
    },
    /// The value is all zeros, as in enclaves in debug mode.
    #[error(
        "{name} is all zeros, as in every enclave in debug mode; write the value that nitro-cli \
         build-enclave printed"
    )]
    AllZero {
        /// The name of the register.
        name: String,
    },
    /// The value is all zeros, which a NitroTPM contains only if the firmware measured nothing.
    #[error(
        "{name} is all zeros, as in a NitroTPM whose firmware measured nothing; write the value that \
         nitro-tpm-pcr-compute printed"
    )]
    AllZeroNitroTpm {
        /// The name of the register.
        name: String,
    },
}

impl RecipientPolicy {
    /// Checks that a request without a Recipient may receive a plaintext response over this connection.
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
                TransportSecurity::NoTls | TransportSecurity::ProvidedTls(_),
            ) => Err(DenialReason::PlaintextOutsideAttestedTls),
            (Plaintext::Never, _) => Err(DenialReason::RecipientRequired),
        }
    }

    /// Checks the measurements of a verified document.
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
    /// Parses an entry: a map from names of registers to values in hexadecimal.
    ///
    /// # Errors
    /// If the entry is empty, contains registers of an enclave and of a NitroTPM, contains a register twice, or
    /// contains an invalid measurement.
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

    /// Checks that one entry may contain both this measurement and `other`. `first` is the name of `other`, and
    /// `second` is the name of this measurement.
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

    /// Parses a measurement. `name` is the name of the register, as in condition keys. `hex` is the value in
    /// hexadecimal.
    ///
    /// # Errors
    /// If the name or the value is invalid. A value of all zeros is invalid if it would match documents in which
    /// nothing was measured.
    pub fn parse(name: &str, hex: &str) -> Result<Self, InvalidMeasurement> {
        let key = ConditionKey::parse(&["kms:RecipientAttestation:", name].concat());
        let (key, (family, index)) = key
            .and_then(|key| Some((key, key.register()?)))
            .ok_or_else(|| InvalidMeasurement::UnknownRegister { name: name.to_owned() })?;
        let invalid = || InvalidMeasurement::InvalidValue { name: name.to_owned() };
        let mut value = [0; PCR_LENGTH];
        // The decoder would accept the prefix 0x.
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
            TransportSecurity::NoTls,
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
