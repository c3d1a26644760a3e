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
use super::certificates::{InvalidCertificate, chain};
use crate::tls::{InvalidPrivateKey, TlsSettings, private_key_from_pem};

/// Maximum number of names in a certificate. Each handshake carries them all.
const MAX_NAMES: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    mode: Option<TlsMode>,
    /// The names that certificates are for.
    names: Option<Vec<String>>,
    /// A PEM file with the server's certificate, then its chain.
    pub(super) certificate: Option<PathBuf>,
    /// A PEM file, which is secret.
    pub(super) private_key: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TlsMode {
    /// No TLS ends in the enclave.
    Off,
    /// Keys are generated in the enclave.
    Attested,
    /// Keys come with the configuration.
    Provided,
}

impl TlsTable {
    /// Returns whether the keys come with the configuration.
    pub(super) fn is_provided(&self) -> bool {
        self.mode == Some(TlsMode::Provided)
    }

    pub(super) fn settings(self, bundle: &ConfigBundle) -> Result<TlsSettings, InvalidTls> {
        let Self { mode, names, certificate, private_key } = self;
        let has_files = certificate.is_some() || private_key.is_some();
        let mode = match mode {
            Some(mode) => mode,
            None if has_files || names.is_some() => return Err(InvalidTls::NoMode),
            None => TlsMode::Off,
        };
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
        // A name with a dot at its end is a DNS name, but certificates do not contain it.
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
    let chain = match chain(pem) {
        Ok(chain) => chain,
        Err(reason) => return Err(InvalidTls::Certificate { path, reason }),
    };
    let key = private_key_from_pem(bundle.file(key).map_err(InvalidTls::ReadPrivateKey)?)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(RustlsError::InconsistentKeys(_)) => Err(InvalidTls::KeyMismatch),
        Err(_) => Err(InvalidTls::Certificate { path, reason: InvalidCertificate::Unreadable }),
    }
}

/// The error for the table `[tls]`. Messages do not repeat the value of `private_key`, which may be the
/// key itself.
#[derive(Debug, Error)]
pub enum InvalidTls {
    /// Keys without a mode.
    #[error(
        "mode is missing, so TLS would be off: write mode = \"attested\" with names, or mode = \
         \"provided\" with certificate and private_key"
    )]
    NoMode,
    /// Names with a mode that does not use them.
    #[error("names needs mode \"attested\": write that mode, or remove names")]
    UnusedNames,
    /// Files with a mode that does not use them.
    #[error("certificate and private_key need mode \"provided\": write that mode, or remove them")]
    UnusedFiles,
    /// No name to make certificates for.
    #[error(
        "mode \"attested\" needs names: list the names that clients connect to, such as names = \
         [\"localhost\"]"
    )]
    NoNames,
    /// Too many names.
    #[error("names has more than {MAX_NAMES} entries: remove some")]
    TooManyNames,
    /// A name that no certificate can have.
    #[error(
        "names, entry {number}: it is not a DNS name or an IP address: use one such as \
         \"localhost\" or \"10.0.0.5\", without *, a port, or a final dot"
    )]
    Name {
        /// The number of the entry, from 1.
        number: usize,
    },
    /// A name that two entries have.
    #[error("names, entry {number}: entry {other} is the same name: remove one of them")]
    DuplicateName {
        /// The number of the entry, from 1.
        number: usize,
        /// The number of the other entry, from 1.
        other: usize,
    },
    /// One of the two files alone, or neither.
    #[error("mode \"provided\" needs both certificate and private_key: set each to a PEM file")]
    NoFiles,
    /// A file of certificates that cannot be read.
    #[error("certificate: {}: {error}", path.display())]
    ReadCertificate {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A file of certificates that cannot be served.
    #[error("certificate: {}: {reason}", path.display())]
    Certificate {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        reason: InvalidCertificate,
    },
    /// A key's file that cannot be read.
    #[error("private_key: the file that it names: {0}")]
    ReadPrivateKey(io::Error),
    /// A key's file that holds no usable key.
    #[error("private_key: the file that it names: {0}")]
    PrivateKey(#[from] InvalidPrivateKey),
    /// The key of another certificate.
    #[error(
        "private_key does not match the first certificate in the file that certificate names: put \
         the server's certificate first, then its chain"
    )]
    KeyMismatch,
}
