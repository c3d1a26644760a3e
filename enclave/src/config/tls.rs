//! The table `[tls]`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::Error as RustlsError;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use thiserror::Error;

use super::bundle::ConfigBundle;
use super::certificates::{InvalidCertificate, parse_certificates};
use super::profile::Profile;
use crate::tls::{InvalidPrivateKey, TlsMode, TlsSettings, private_key_from_pem};

/// Maximum number of names in a certificate. The server sends the certificate, with all names, in every handshake.
const MAX_NAMES: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    mode: Option<TlsMode>,
    /// The DNS names and IP addresses of the certificates.
    names: Option<Vec<String>>,
    /// The name of a PEM file with the server's certificate first, then the certificates of its issuers.
    pub(super) certificate: Option<PathBuf>,
    /// The name of the secret PEM file with the private key.
    pub(super) private_key: Option<PathBuf>,
}

impl TlsTable {
    /// Returns whether the configuration contains the private key.
    pub(super) fn is_provided(&self) -> bool {
        self.mode == Some(TlsMode::Provided)
    }

    /// Builds the settings of TLS. Without `mode`, `profile` decides whether TLS is off. With other keys in the table,
    /// `mode` is required in each profile.
    pub(super) fn settings(
        self,
        bundle: &ConfigBundle,
        profile: Profile,
    ) -> Result<TlsSettings, InvalidTls> {
        let Self { mode, names, certificate, private_key } = self;
        let has_files = certificate.is_some() || private_key.is_some();
        let default = match has_files || names.is_some() {
            true => None,
            false => profile.default_tls_mode(),
        };
        let mode = mode.or(default).ok_or(InvalidTls::NoMode)?;
        if names.is_some() && mode != TlsMode::Attested {
            return Err(InvalidTls::UnusedNames);
        }
        if has_files && mode != TlsMode::Provided {
            return Err(InvalidTls::UnusedFiles);
        }
        match mode {
            TlsMode::Off => Ok(TlsSettings::Off),
            TlsMode::Attested => {
                Ok(TlsSettings::Attested { names: server_names(names.unwrap_or_default())? })
            }
            TlsMode::Provided => {
                let (Some(certificate), Some(key)) = (certificate, private_key) else {
                    return Err(InvalidTls::NoFiles);
                };
                Ok(TlsSettings::Provided(Arc::new(certified_key(bundle, &certificate, &key)?)))
            }
        }
    }
}

fn server_names(texts: Vec<String>) -> Result<Vec<ServerName<'static>>, InvalidTls> {
    match texts.len() {
        0 => return Err(InvalidTls::NoNames),
        1..=MAX_NAMES => {}
        _ => return Err(InvalidTls::TooManyNames),
    }
    let mut names = Vec::with_capacity(texts.len());
    for (text, number) in texts.into_iter().zip(1..) {
        // A name with a final dot is a valid DNS name, but certificates never contain such a name.
        let name = match text.ends_with('.') {
            true => None,
            false => ServerName::try_from(text).ok(),
        };
        let name = name.ok_or(InvalidTls::Name { number })?;
        if let Some(index) = names.iter().position(|other| *other == name) {
            return Err(InvalidTls::DuplicateName { number, other: index + 1 });
        }
        names.push(name);
    }
    Ok(names)
}

fn certified_key(
    bundle: &ConfigBundle,
    certificate: &Path,
    key: &Path,
) -> Result<CertifiedKey, InvalidTls> {
    let path = bundle.path_of(certificate);
    let pem = match bundle.file(certificate) {
        Ok(pem) => pem,
        Err(error) => return Err(InvalidTls::ReadCertificate { path, error }),
    };
    let chain = match parse_certificates(pem) {
        Ok(chain) => chain,
        Err(reason) => return Err(InvalidTls::Certificate { path, reason }),
    };
    let key = private_key_from_pem(bundle.file(key).map_err(InvalidTls::ReadPrivateKey)?)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(RustlsError::InconsistentKeys(_)) => Err(InvalidTls::KeyMismatch),
        Err(_) => Err(InvalidTls::Certificate { path, reason: InvalidCertificate::NotX509 }),
    }
}

/// The error for the table `[tls]`. Messages omit the value of `private_key`, because an operator may have written
/// the key itself there.
#[derive(Debug, Error)]
pub enum InvalidTls {
    /// No `mode`, in production or beside other keys of the table.
    #[error(
        "mode is missing: write mode = \"attested\" with names (TLS ends in the enclave, which \
         generates the private key), mode = \"provided\" with certificate and private_key (the \
         operator holds the private key), or mode = \"off\" (no TLS: the relay and the network \
         can read and change requests and responses)"
    )]
    NoMode,
    /// The key `names` with another mode than `attested`.
    #[error("names needs mode \"attested\": write that mode, or remove names")]
    UnusedNames,
    /// The key `certificate` or `private_key` with another mode than `provided`.
    #[error("certificate and private_key need mode \"provided\": write that mode, or remove them")]
    UnusedFiles,
    /// Attested TLS without names.
    #[error(
        "mode \"attested\" needs names: list the names that clients connect to, such as names = \
         [\"localhost\"]"
    )]
    NoNames,
    /// Too many names.
    #[error("names has more than {MAX_NAMES} entries: remove some")]
    TooManyNames,
    /// A name that no certificate can contain.
    #[error(
        "names, entry {number}, is not a DNS name or an IP address: use one such as \
         \"localhost\" or \"10.0.0.5\", without *, a port, or a final dot"
    )]
    Name {
        /// The number of the entry, from 1.
        number: usize,
    },
    /// Two entries with the same name.
    #[error("names, entry {number}: entry {other} is the same name: remove one of them")]
    DuplicateName {
        /// The number of the entry, from 1.
        number: usize,
        /// The number of the other entry, from 1.
        other: usize,
    },
    /// Provided TLS without a certificate or without a private key.
    #[error("mode \"provided\" needs both certificate and private_key: set each to a PEM file")]
    NoFiles,
    /// A certificate file that cannot be read.
    #[error("certificate: {}: {error}", path.display())]
    ReadCertificate {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A certificate file with invalid content.
    #[error("certificate: {}: {reason}", path.display())]
    Certificate {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        reason: InvalidCertificate,
    },
    /// A private key file that cannot be read.
    #[error("cannot read the file that private_key names: {0}")]
    ReadPrivateKey(io::Error),
    /// A private key file without a supported key.
    #[error("private_key: {0}")]
    PrivateKey(#[from] InvalidPrivateKey),
    /// A private key that does not belong to the certificate.
    #[error(
        "private_key does not match the first certificate in the file that certificate names: put \
         the server's certificate first, then its chain"
    )]
    KeyMismatch,
}
