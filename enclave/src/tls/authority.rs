//! A certificate authority whose key is born here and never leaves.

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
use attestation::crypto::{CryptoError, fill_random};
use attestation::time::UnixMillis;
use attestation::tls::{CaBinding, certificate_pem};

/// Seconds before its birth from which a certificate is valid: clients' clocks are not all right.
const BACKDATING: u64 = 60 * 60;

/// Seconds for which a server's certificate is valid.
const LIFETIME: u64 = 24 * 60 * 60;

/// Seconds after which it should be replaced: long before clients would refuse it.
const RENEWAL: u64 = LIFETIME / 2;

/// 9999-12-31T23:59:59Z: no end (RFC 5280 section 4.1.2.5). An authority lives as long as its enclave.
const NO_END: i64 = 253_402_300_799;

/// Bytes of a serial number (RFC 5280 section 4.1.2.2 allows 20).
const SERIAL_LENGTH: usize = 16;

/// A certificate authority for the names of one server.
///
/// It can issue for these names, and for DNS names below them, alone: its certificate says so (RFC 5280
/// section 4.2.1.10), and so it is trusted for no other. Keys are ECDSA over P-256.
pub struct Authority {
    params: CertificateParams,
    key: CertificateKey,
    certificate: CertificateDer<'static>,
    names: Vec<SanType>,
}

/// Why there is no authority, or no certificate.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthorityError {
    /// Without a name, there is nothing to issue for.
    #[error("there is no name to issue a certificate for")]
    NoName,
    /// A name that a certificate cannot hold.
    #[error("a name is neither a DNS name nor an IP address")]
    Name,
    /// A key cannot be made, or does not sign.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The certificate cannot be written.
    #[error("cannot encode the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A time that a certificate cannot hold.
    #[error("a certificate cannot contain the time {0}")]
    Time(UnixMillis),
}

/// A server's certificate with its key.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// What rustls serves with: the certificate, the authority's behind it, and the key.
    pub certified: Arc<CertifiedKey>,
    /// From when on it is valid.
    pub not_before: UnixMillis,
    /// When it should be replaced.
    pub renew_at: UnixMillis,
    /// Until when it is valid.
    pub not_after: UnixMillis,
}

impl Authority {
    /// A new one for `names`, born at `now`.
    ///
    /// # Errors
    /// If there is no name, or no randomness.
    pub fn generate(names: &[ServerName<'_>], now: UnixMillis) -> Result<Self, AuthorityError> {
        let names = names.iter().map(san).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(AuthorityError::NoName);
        }
        let key = CertificateKey::generate()?;
        // Several of them may be in one bundle, where each is looked up by its name.
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
        Ok(Self { params, key, certificate, names })
    }

    /// Its certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        certificate_pem(&self.certificate)
    }

    /// What a document that attests it says.
    pub fn binding(&self) -> CaBinding {
        CaBinding::from_spki(&self.key.subject_public_key_info())
    }

    /// A certificate for all its names, of a new key, as of `now`.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn issue(&self, now: UnixMillis) -> Result<IssuedCertificate, AuthorityError> {
        let key = CertificateKey::generate()?;
        let mut params = params(&key, "attested-random enclave", now)?;
        let not_after = now.plus_secs(LIFETIME);
        params.not_after = moment(not_after)?;
        // Not a CA, and with a key identifier of its own.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names.clone_from(&self.names);
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer)?.into();
        let chain = vec![certificate, self.certificate.clone()];
        Ok(IssuedCertificate {
            certified: Arc::new(CertifiedKey::new(chain, key.signer)),
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
            .field("binding", &self.binding())
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// What every certificate of `key` has.
fn params(
    key: &CertificateKey,
    common_name: &str,
    now: UnixMillis,
) -> Result<CertificateParams, AuthorityError> {
    let mut serial = [0; SERIAL_LENGTH];
    fill_random(&mut serial)?;
    // Positive, and as long as all others.
    let [first, ..] = &mut serial;
    *first = *first & 0x3f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = moment(now.minus_secs(BACKDATING))?;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.id().to_vec());
    Ok(params)
}

fn moment(at: UnixMillis) -> Result<OffsetDateTime, AuthorityError> {
    let seconds = i64::try_from(at.as_secs()).ok();
    // rcgen rather panics than to write a year of five digits.
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

/// Only `names`; and where there is none of one kind, nothing of that kind.
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
