//! Certificates to order, right ones and, for tests, wrong ones.

use super::der::{self, oid};
use super::key::Key;
use crate::crypto::{self, CryptoError};
use crate::time::UnixMillis;

/// An extension.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its identifier, as the content of an OBJECT IDENTIFIER.
    pub oid: Vec<u8>,
    /// Whether who does not know it must refuse the certificate.
    pub critical: bool,
    /// Its value, DER.
    pub value: Vec<u8>,
}

/// keyUsage bits (RFC 5280 section 4.2.1.3) that occur in genuine chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsage {
    /// digitalSignature, keyCertSign, cRLSign: the root, the regional and the zonal CA.
    Ca,
    /// keyCertSign alone: the instance CA.
    CertificatesOnly,
    /// digitalSignature and nonRepudiation: the leaf.
    Documents,
}

impl Extension {
    /// basicConstraints of a CA, critical.
    pub fn ca(path_length: Option<u8>) -> Self {
        let path_length = path_length.map(|length| der::integer(&[length])).unwrap_or_default();
        Self::basic_constraints(&der::sequence(&[&der::tlv(0x01, &[0xff]), &path_length]))
    }

    /// basicConstraints of a leaf, critical.
    pub fn not_ca() -> Self {
        Self::basic_constraints(&der::sequence(&[]))
    }

    fn basic_constraints(value: &[u8]) -> Self {
        Self { oid: oid::BASIC_CONSTRAINTS.to_vec(), critical: true, value: value.to_vec() }
    }

    /// keyUsage, critical for CAs and not for leaves, as AWS has it.
    pub fn key_usage(usage: KeyUsage) -> Self {
        let (critical, value) = match usage {
            KeyUsage::Ca => (true, der::bit_string(1, &[0x86])),
            KeyUsage::CertificatesOnly => (true, der::bit_string(2, &[0x04])),
            KeyUsage::Documents => (false, der::bit_string(6, &[0xc0])),
        };
        Self { oid: oid::KEY_USAGE.to_vec(), critical, value }
    }

    fn to_der(&self) -> Vec<u8> {
        let critical = if self.critical { der::tlv(0x01, &[0xff]) } else { Vec::new() };
        let value = der::tlv(0x04, &self.value);
        der::sequence(&[&der::object_identifier(&self.oid), &critical, &value])
    }
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// The issuer's Name, DER.
    pub issuer: Vec<u8>,
    /// The subject's Name, DER.
    pub subject: Vec<u8>,
    /// The first second of its validity.
    pub not_before: UnixMillis,
    /// The last second of its validity.
    pub not_after: UnixMillis,
    /// In this order.
    pub extensions: Vec<Extension>,
    /// What the certificate says of its own form. The signature is P-384 with SHA-384 whatever it
    /// says.
    pub form: Form,
}

/// What a certificate says of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// X.509 v3, ecdsa-with-SHA384, a P-384 key, as AWS's are.
    Genuine,
    /// X.509 v1, though with extensions.
    Version1,
    /// ecdsa-with-SHA256.
    Sha256,
    /// ecdsa-with-SHA256 to be signed, ecdsa-with-SHA384 beside the signature.
    Sha256Inside,
    /// A key said to be on P-256.
    P256Key,
    /// A key said to be RSA.
    RsaKey,
    /// A key of two bytes less, and so no point.
    ShortKey,
}

impl CertificateSpec {
    /// The certificate for `subject_key` (an uncompressed P-384 point), signed by `issuer_key`.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn issue(&self, subject_key: &[u8], issuer_key: &Key) -> Result<Vec<u8>, CryptoError> {
        let algorithm = |oid| der::sequence(&[&der::object_identifier(oid)]);
        let (inside, outside) = match self.form {
            Form::Sha256 => (oid::ECDSA_WITH_SHA256, oid::ECDSA_WITH_SHA256),
            Form::Sha256Inside => (oid::ECDSA_WITH_SHA256, oid::ECDSA_WITH_SHA384),
            _ => (oid::ECDSA_WITH_SHA384, oid::ECDSA_WITH_SHA384),
        };
        let to_be_signed = self.to_be_signed(&algorithm(inside), subject_key)?;
        let signature = der::bit_string(0, &issuer_key.sign_der(&to_be_signed)?);
        Ok(der::sequence(&[&to_be_signed, &algorithm(outside), &signature]))
    }

    fn to_be_signed(&self, algorithm: &[u8], subject_key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut serial = [0; 16];
        crypto::fill_random(&mut serial)?;
        let version = if self.form == Form::Version1 { 0 } else { 2 };
        let version = der::tlv(0xa0, &der::integer(&[version]));
        let validity = der::sequence(&[&der::time(self.not_before), &der::time(self.not_after)]);
        let (kind, curve) = match self.form {
            Form::P256Key => (oid::EC_PUBLIC_KEY, oid::SECP256R1),
            Form::RsaKey => (oid::RSA_ENCRYPTION, oid::SECP384R1),
            _ => (oid::EC_PUBLIC_KEY, oid::SECP384R1),
        };
        let key_algorithm =
            der::sequence(&[&der::object_identifier(kind), &der::object_identifier(curve)]);
        let shorter = if self.form == Form::ShortKey { 2 } else { 0 };
        let point = subject_key.get(..subject_key.len() - shorter).unwrap_or_default();
        let key = der::sequence(&[&key_algorithm, &der::bit_string(0, point)]);
        let extensions: Vec<u8> = self.extensions.iter().flat_map(Extension::to_der).collect();
        let extensions = der::tlv(0xa3, &der::tlv(0x30, &extensions));
        let serial = der::integer(&serial);
        Ok(der::sequence(&[
            &version,
            &serial,
            algorithm,
            &self.issuer,
            &validity,
            &self.subject,
            &key,
            &extensions,
        ]))
    }
}
