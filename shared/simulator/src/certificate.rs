//! Issues certificates: valid ones, and invalid ones for tests.

use super::der::{self, oid};
use super::key::Key;
use attestation::crypto::{self, CryptoError};
use attestation::time::UnixMillis;

/// A certificate extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The identifier, as the content of an OBJECT IDENTIFIER.
    pub oid: Vec<u8>,
    /// True if a verifier that does not support the extension must reject the certificate.
    pub critical: bool,
    /// The value, DER.
    pub value: Vec<u8>,
}

/// The keyUsage values (RFC 5280 section 4.2.1.3) of genuine chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsage {
    /// digitalSignature, keyCertSign and cRLSign: the root, the regional CA and the zonal CA.
    Ca,
    /// keyCertSign alone: the instance CA.
    CertificatesOnly,
    /// digitalSignature and nonRepudiation: the leaf.
    Documents,
}

impl Extension {
    /// Returns the critical basicConstraints of a CA.
    pub fn ca(path_length: Option<u8>) -> Self {
        let path_length = path_length.map(|length| der::integer(&[length])).unwrap_or_default();
        Self::basic_constraints(&der::sequence(&[&der::tlv(0x01, &[0xff]), &path_length]))
    }

    /// Returns the critical basicConstraints of a leaf.
    pub fn not_ca() -> Self {
        Self::basic_constraints(&der::sequence(&[]))
    }

    fn basic_constraints(value: &[u8]) -> Self {
        Self { oid: oid::BASIC_CONSTRAINTS.to_vec(), critical: true, value: value.to_vec() }
    }

    /// Returns keyUsage. The extension is critical for CAs but not for leaves, as in AWS's certificates.
    pub fn key_usage(usage: KeyUsage) -> Self {
        let (critical, value) = match usage {
            KeyUsage::Ca => (true, der::bit_string(1, &[0x86])),
            KeyUsage::CertificatesOnly => (true, der::bit_string(2, &[0x04])),
            KeyUsage::Documents => (false, der::bit_string(6, &[0xc0])),
        };
        Self { oid: oid::KEY_USAGE.to_vec(), critical, value }
    }

    /// Returns the extension in DER.
    pub fn to_der(&self) -> Vec<u8> {
        let critical = if self.critical { der::tlv(0x01, &[0xff]) } else { Vec::new() };
        let value = der::tlv(0x04, &self.value);
        der::sequence(&[&der::object_identifier(&self.oid), &critical, &value])
    }
}

/// The content of a certificate to issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSpec {
    /// The issuer's Name, DER.
    pub issuer: Vec<u8>,
    /// The subject's Name, DER.
    pub subject: Vec<u8>,
    /// The first second of the validity.
    pub not_before: UnixMillis,
    /// The last second of the validity.
    pub not_after: UnixMillis,
    /// The extensions, in the order in which they are written.
    pub extensions: Vec<Extension>,
    /// The parts that differ from AWS's certificates. The signature is always ECDSA over P-384 with SHA-384.
    pub overrides: Overrides,
}

/// Parts of a certificate, in DER, that replace the usual parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The version with its tag `[0]`, instead of v3.
    pub version: Option<Vec<u8>>,
    /// The serial number, instead of a random one.
    pub serial: Option<Vec<u8>>,
    /// The signed AlgorithmIdentifier, instead of ecdsa-with-SHA384.
    pub inner_algorithm: Option<Vec<u8>>,
    /// The AlgorithmIdentifier next to the signature, instead of ecdsa-with-SHA384.
    pub outer_algorithm: Option<Vec<u8>>,
    /// The Validity, instead of the spec's times.
    pub validity: Option<Vec<u8>>,
    /// The SubjectPublicKeyInfo, instead of the subject's P-384 key.
    pub public_key: Option<Vec<u8>>,
    /// All parts after the key, instead of the extensions with their tag `[3]`.
    pub extensions: Option<Vec<u8>>,
}

impl CertificateSpec {
    /// Issues the certificate for `subject_key`, an uncompressed P-384 point, signed with `issuer_key`.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn issue(&self, subject_key: &[u8], issuer_key: &Key) -> Result<Vec<u8>, CryptoError> {
        let algorithm = der::algorithm(oid::ECDSA_WITH_SHA384);
        let inner = self.overrides.inner_algorithm.as_ref().unwrap_or(&algorithm);
        let outer = self.overrides.outer_algorithm.as_ref().unwrap_or(&algorithm);
        let to_be_signed = self.to_be_signed(inner, subject_key)?;
        let signature = der::bit_string(0, &issuer_key.sign_der(&to_be_signed)?);
        Ok(der::sequence(&[&to_be_signed, outer, &signature]))
    }

    fn to_be_signed(&self, algorithm: &[u8], subject_key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut random = [0; 16];
        crypto::fill_random(&mut random)?;
        let overrides = &self.overrides;
        let v3 = || der::tlv(0xa0, &der::integer(&[2]));
        let times = || der::sequence(&[&der::time(self.not_before), &der::time(self.not_after)]);
        let p384 = || {
            let curve = der::object_identifier(oid::SECP384R1);
            let kind = der::sequence(&[&der::object_identifier(oid::EC_PUBLIC_KEY), &curve]);
            der::sequence(&[&kind, &der::bit_string(0, subject_key)])
        };
        let extensions = || {
            let list: Vec<u8> = self.extensions.iter().flat_map(Extension::to_der).collect();
            der::tlv(0xa3, &der::tlv(0x30, &list))
        };
        Ok(der::sequence(&[
            &overrides.version.clone().unwrap_or_else(v3),
            &overrides.serial.clone().unwrap_or_else(|| der::integer(&random)),
            algorithm,
            &self.issuer,
            &overrides.validity.clone().unwrap_or_else(times),
            &self.subject,
            &overrides.public_key.clone().unwrap_or_else(p384),
            &overrides.extensions.clone().unwrap_or_else(extensions),
        ]))
    }
}
