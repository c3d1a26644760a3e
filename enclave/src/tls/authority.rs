//! A certificate authority whose key is generated in this process and never leaves it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    NameConstraints, PublicKeyData, SanType, SerialNumber,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use time::OffsetDateTime;

use super::certificate_key::CertificateKey;
use attestation::crypto::{CryptoError, SHA_256_LENGTH, fill_random};
use attestation::time::UnixMillis;
use attestation::tls::{certificate_pem, spki_digest};

/// Time between the start of the validity of a certificate and its creation, in seconds. The clock of a client may be
/// slow.
const BACKDATING: u64 = 60 * 60;

/// Validity period of a server certificate after its creation, in seconds.
const LIFETIME: u64 = 24 * 60 * 60;

/// Age at which a server certificate is renewed, in seconds.
const RENEWAL: u64 = LIFETIME / 2;

/// 9999-12-31T23:59:59Z, which means that a certificate does not expire (RFC 5280 section 4.1.2.5). An
/// authority exists as long as its enclave.
const NO_END: i64 = 253_402_300_799;

/// Length of a serial number, in bytes. RFC 5280 section 4.1.2.2 allows 20.
const SERIAL_LENGTH: usize = 16;

/// A certificate authority for the names of one server, with the key of that server.
///
/// The server's key exists as long as the authority, so an attestation document that attests the key stays correct
/// when the certificate is renewed.
///
/// The certificate of the authority has name constraints (RFC 5280 section 4.2.1.10). Clients therefore trust the
/// authority only for these names, and for DNS names below these names. Keys are ECDSA over P-256.
pub struct Authority {
    params: CertificateParams,
    key: CertificateKey,
    certificate: CertificateDer<'static>,
    server_key: CertificateKey,
    names: Vec<SanType>,
}

/// The error for an authority or a certificate that cannot be created.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthorityError {
    /// An empty list of names.
    #[error("there is no name to issue a certificate for")]
    NoName,
    /// A name that a certificate cannot contain.
    #[error("a name is neither a DNS name nor an IP address")]
    Name,
    /// A failure of key generation or of the random number generator.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A certificate that cannot be encoded or signed.
    #[error("cannot encode the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A time that a certificate cannot contain.
    #[error("a certificate cannot contain the time {0}")]
    Time(UnixMillis),
}

/// A server certificate with its key.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// The certificate chain and the key, for rustls. The server certificate is the first in the chain. The
    /// certificate of the authority is the second.
    pub certified: Arc<CertifiedKey>,
    /// The start of the validity period.
    pub not_before: UnixMillis,
    /// The time from which the certificate should be renewed.
    pub renew_at: UnixMillis,
    /// The end of the validity period.
    pub not_after: UnixMillis,
}

impl Authority {
    /// Generates an authority and the server's key for `names`, valid from about `now`.
    ///
    /// # Errors
    /// If `names` is empty or contains an invalid name, if the random number generator fails, or if the certificate
    /// cannot contain the time or cannot be encoded or signed.
    pub fn generate(names: &[ServerName<'_>], now: UnixMillis) -> Result<Self, AuthorityError> {
        let names = names.iter().map(san).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(AuthorityError::NoName);
        }
        let key = CertificateKey::generate()?;
        // Clients find an authority in a bundle of certificates by name, so each authority has its own name.
        let [first, second, third, fourth, ..] = key.id();
        let digits = u32::from_be_bytes([first, second, third, fourth]);
        let mut params = params(&key, &format!("attested-random enclave CA {digits:08x}"), now)?;
        params.not_after =
            OffsetDateTime::from_unix_timestamp(NO_END).map_err(|_| AuthorityError::Time(now))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.name_constraints = Some(constraints(&names)?);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key)?.into();
        let server_key = CertificateKey::generate()?;
        Ok(Self { params, key, certificate, server_key, names })
    }

    /// Returns the certificate of the authority in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns the certificate of the authority in PEM.
    pub fn certificate_pem(&self) -> String {
        certificate_pem(&self.certificate)
    }

    /// Returns the SHA-256 digest of the authority's SubjectPublicKeyInfo. An attestation document contains it as
    /// `tls-ca`.
    pub fn key_digest(&self) -> [u8; SHA_256_LENGTH] {
        spki_digest(&self.key.subject_public_key_info())
    }

    /// Returns the SHA-256 digest of the SubjectPublicKeyInfo of all server certificates. An attestation document
    /// contains it as `tls-key`.
    pub fn server_key_digest(&self) -> [u8; SHA_256_LENGTH] {
        spki_digest(&self.server_key.subject_public_key_info())
    }

    /// Issues a certificate for all names, for the server's key, at `now`.
    ///
    /// # Errors
    /// If the random number generator fails, or if the certificate cannot contain the time or cannot be encoded or
    /// signed.
    pub fn issue(&self, now: UnixMillis) -> Result<IssuedCertificate, AuthorityError> {
        let mut params = params(&self.server_key, "attested-random enclave", now)?;
        let not_after = now.plus_secs(LIFETIME);
        params.not_after = offset_date_time(not_after)?;
        // Unlike `NoCa`, `ExplicitNoCa` adds a subject key identifier.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names.clone_from(&self.names);
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&self.server_key, &issuer)?.into();
        let chain = vec![certificate, self.certificate.clone()];
        Ok(IssuedCertificate {
            certified: Arc::new(CertifiedKey::new(chain, Arc::clone(&self.server_key.signer))),
            not_before: now.minus_secs(BACKDATING),
            renew_at: now.plus_secs(RENEWAL),
            not_after,
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("key_digest", &self.key_digest())
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Returns the parameters that all certificates share.
fn params(
    key: &CertificateKey,
    common_name: &str,
    now: UnixMillis,
) -> Result<CertificateParams, AuthorityError> {
    let mut serial = [0; SERIAL_LENGTH];
    fill_random(&mut serial)?;
    // The first two bits are 01, so the number is positive and has no leading zero byte. All serial numbers therefore
    // have the same length.
    let [first, ..] = &mut serial;
    *first = *first & 0x3f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = offset_date_time(now.minus_secs(BACKDATING))?;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.id().to_vec());
    Ok(params)
}

fn offset_date_time(at: UnixMillis) -> Result<OffsetDateTime, AuthorityError> {
    let seconds = i64::try_from(at.as_secs()).ok();
    // rcgen panics for a year of five digits.
    seconds
        .filter(|seconds| *seconds <= NO_END)
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(AuthorityError::Time(at))
}

fn san(name: &ServerName<'_>) -> Result<SanType, AuthorityError> {
    match name {
        ServerName::DnsName(name) => Ok(SanType::DnsName(Ia5String::try_from(name.as_ref())?)),
        ServerName::IpAddress(address) => Ok(SanType::IpAddress((*address).into())),
        _ => Err(AuthorityError::Name),
    }
}

/// Returns constraints that permit only `names`. If `names` contains no DNS name, the constraints exclude all
/// DNS names. If `names` contains no IP address, the constraints exclude all IP addresses.
fn constraints(names: &[SanType]) -> Result<NameConstraints, AuthorityError> {
    let permitted_subtrees: Vec<_> = names
        .iter()
        .filter_map(|name| match name {
            SanType::DnsName(name) => Some(GeneralSubtree::DnsName(name.to_string())),
            SanType::IpAddress(address) => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                let subnet = CidrSubnet::from_addr_prefix(*address, bits);
                Some(GeneralSubtree::IpAddress(subnet))
            }
            _ => None,
        })
        .collect();
    let has = |kind: fn(&GeneralSubtree) -> bool| permitted_subtrees.iter().any(kind);
    let mut excluded_subtrees = Vec::new();
    if !has(|subtree| matches!(subtree, GeneralSubtree::DnsName(_))) {
        excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
    }
    if !has(|subtree| matches!(subtree, GeneralSubtree::IpAddress(_))) {
        let all = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
        let all = all.map(|address| CidrSubnet::from_addr_prefix(address, 0));
        excluded_subtrees.extend(all.map(GeneralSubtree::IpAddress));
    }
    Ok(NameConstraints { permitted_subtrees, excluded_subtrees })
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
