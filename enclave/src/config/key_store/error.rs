//! The error for one `[[key_store]]`.

use std::io;
use std::path::PathBuf;

use attestation::receipt::{MAX_RECEIPT_HEADER_LENGTH, MAX_SOURCE_LENGTH};
use thiserror::Error;

use super::super::certificates::InvalidCertificate;

/// The error for one key store. Messages omit the values of `pin_file` and `pin_env`, because an operator may have
/// written the PIN itself there.
#[derive(Debug, Error)]
pub enum InvalidKeyStore {
    /// An invalid ID of a custom key store.
    #[error(
        "id is invalid: use cks- and 1 to 60 letters, digits or hyphens, such as \
         \"cks-1234567890abcdef0\""
    )]
    Id,
    /// An ID that does not fit in a receipt.
    #[error(
        "id has {length} characters, over the maximum of {MAX_SOURCE_LENGTH} with receipts: a receipt \
         contains the id, and its header is limited to {MAX_RECEIPT_HEADER_LENGTH} characters; use a \
         shorter id, or set mode = \"off\" under [receipts]"
    )]
    LongId {
        /// Length of the ID, in characters.
        length: usize,
    },
    /// An invalid name of a custom key store.
    #[error("name is invalid: use 1 to 256 characters, without control characters")]
    Name,
    /// A value that another store also has.
    #[error("{key} is the same as in number {other}: use a different one for each key store")]
    Duplicate {
        /// The name of the key.
        key: &'static str,
        /// The number of the other entry, from 1.
        other: usize,
    },
    /// A key that this type of store does not have.
    #[error("{key} is not for type \"{kind}\": remove it")]
    Unused {
        /// The name of the key.
        key: &'static str,
        /// The type of the key store.
        kind: &'static str,
    },
    /// The absence of a key that this type of store requires.
    #[error("type \"{kind}\" needs {key}")]
    Missing {
        /// The name of the key.
        key: &'static str,
        /// The type of the key store.
        kind: &'static str,
    },
    /// A proxy URI that the KMS API model does not allow.
    #[error(
        "uri is invalid: use https://, a host name, and a path that ends in /kms/xks/v1 or \
         another version, such as \"https://xks.example.com/kms/xks/v1\""
    )]
    Uri,
    /// A relative path of a module.
    #[error("module is not an absolute path: use one such as \"/usr/lib/softhsm/libsofthsm2.so\"")]
    RelativeModule,
    /// Both a token label and a slot, or none of the two.
    #[error("set exactly one of token_label and slot, which select the token")]
    TokenChoice,
    /// An invalid token label.
    #[error("token_label is invalid: use 1 to 32 bytes, without a space at the end")]
    TokenLabel,
    /// Both a PIN file and a PIN variable, or none of the two.
    #[error("set exactly one of pin_file and pin_env, which provide the user's PIN")]
    PinChoice,
    /// A PIN file that cannot be read.
    #[error("cannot read the file that pin_file names: {0}")]
    ReadPin(io::Error),
    /// A PIN file whose content is not exactly one PIN.
    #[error("the file that pin_file names must contain only the PIN: one line of 1 to 1024 bytes")]
    Pin,
    /// An invalid name of an environment variable.
    #[error(
        "pin_env is not the name of an environment variable: use letters, digits and underscores, \
         such as \"HSM_PIN\""
    )]
    PinVariable,
    /// An invalid ID of a CloudHSM cluster.
    #[error(
        "cluster_id is invalid: use cluster- and 11 to 16 letters or digits, such as \
         \"cluster-1a23b4cdefg\""
    )]
    ClusterId,
    /// A trust anchor file that cannot be read.
    #[error("trust_anchor_certificate: {}: {error}", path.display())]
    ReadTrustAnchor {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A trust anchor file without a valid certificate.
    #[error("trust_anchor_certificate: {}: {reason}", path.display())]
    TrustAnchor {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        reason: InvalidCertificate,
    },
    /// A trust anchor longer than the KMS API allows.
    #[error(
        "trust_anchor_certificate: {}: the file has more than 5000 characters, the maximum of the KMS \
         API: remove all but the certificate",
        path.display()
    )]
    LongTrustAnchor {
        /// The path of the file.
        path: PathBuf,
    },
}
