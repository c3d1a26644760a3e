//! Authentication errors. The caller receives the texts. Where the text of AWS KMS is known, the text is the same.

use std::fmt;

use attestation::time::UnixMillis;
use hyper::header::HeaderName;
use thiserror::Error;

use super::parameter::Parameter;

/// The error for a request that is not authenticated.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthenticationError {
    /// No Authorization header.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// A signature that lacks a part or has a malformed part.
    #[error(transparent)]
    IncompleteSignature(#[from] IncompleteSignature),
    /// A signature that does not verify, or that has a wrong scope or a wrong time.
    #[error(transparent)]
    InvalidSignature(#[from] InvalidSignature),
    /// An unknown access key.
    #[error("The security token included in the request is invalid.")]
    UnknownAccessKey,
    /// A wrong, unexpected or missing session token. The text is the same as for an unknown access key.
    #[error("The security token included in the request is invalid.")]
    SessionTokenMismatch,
    /// A valid signature by an expired credential.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
}

/// The error for a malformed or incomplete signature.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IncompleteSignature {
    /// A query string, which may be empty.
    #[error(
        "A request must have no query string: the signature belongs in the Authorization header, \
         presigned queries are not accepted."
    )]
    QueryString,
    /// Several Authorization headers.
    #[error("Exactly one Authorization header is needed.")]
    MultipleAuthorizationHeaders,
    /// An Authorization header that is too long, or that contains bytes other than printable ASCII.
    #[error("The Authorization header must be at most 4096 characters of printable ASCII.")]
    HeaderText,
    /// An algorithm other than AWS4-HMAC-SHA256.
    #[error("The algorithm in the Authorization header must be 'AWS4-HMAC-SHA256'.")]
    Algorithm,
    /// An unknown parameter, or text that is not a parameter.
    #[error(
        "Authorization header must have the parameters 'Credential', 'SignedHeaders' and \
         'Signature', separated by commas, and nothing else."
    )]
    UnknownParameter,
    /// A repeated parameter.
    #[error("Authorization header must have the parameter '{0}' only once.")]
    DuplicateParameter(Parameter),
    /// Missing parameters.
    #[error("{}", missing_parameters(*.credential, *.signature, *.signed_headers))]
    MissingParameters {
        /// True if Credential is missing.
        credential: bool,
        /// True if Signature is missing.
        signature: bool,
        /// True if SignedHeaders is missing.
        signed_headers: bool,
    },
    /// A Credential that is not an access key ID and a scope.
    #[error(
        "Credential must have exactly 5 slash-delimited elements, \
         as in 'ACCESSKEYID/YYYYMMDD/region/kms/aws4_request'."
    )]
    Credential,
    /// A malformed access key ID.
    #[error("The access key ID in Credential must be 1 to 128 letters, digits or underscores.")]
    AccessKeyId,
    /// A malformed list of signed headers.
    #[error(
        "SignedHeaders must be header names in lower case, each once, in ascending order, \
         separated by semicolons."
    )]
    SignedHeaders,
    /// A Signature that is not a hexadecimal HMAC-SHA-256.
    #[error("Signature must be 64 lower-case hexadecimal digits.")]
    Signature,
    /// A repeated header.
    #[error("The header '{name}' must be sent only once.")]
    DuplicateHeader {
        /// The header's name.
        name: &'static str,
    },
    /// No X-Amz-Date header and no Date header.
    #[error(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    )]
    MissingDate,
    /// An unsigned header that must be signed. The text contains at most 128 characters of the header's name.
    #[error("'{:.128}' must be a 'SignedHeader' in the AWS Authorization.", .name.as_str())]
    HeaderNotSigned {
        /// The header's name.
        name: HeaderName,
    },
    /// A malformed X-Amz-Date.
    #[error(
        "Date must be in ISO-8601 'basic format': \
         X-Amz-Date must be a date and time like '20240820T230143Z'."
    )]
    DateFormat,
    /// A malformed Date header in a request without X-Amz-Date.
    #[error(
        "Without X-Amz-Date, Date must be a date and time like 'Tue, 20 Aug 2024 23:01:43 GMT' or \
         '20240820T230143Z'."
    )]
    HttpDateFormat,
}

/// Returns one sentence for each missing parameter. Like AWS, ends each sentence with a space.
fn missing_parameters(credential: bool, signature: bool, signed_headers: bool) -> String {
    let missing = [
        (credential, Parameter::Credential),
        (signature, Parameter::Signature),
        (signed_headers, Parameter::SignedHeaders),
    ];
    let sentence =
        |(_, parameter)| format!("Authorization header requires '{parameter}' parameter. ");
    missing.into_iter().filter(|(missing, _)| *missing).map(sentence).collect()
}

/// The error for a well-formed signature that is rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidSignature {
    /// A scope whose date is not the date of the signing time.
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
         HTTP: '{scope}' != '{:.8}', from '{}'.",
        .signed_at.basic_iso8601().to_string(),
        .signed_at.basic_iso8601()
    )]
    ScopeDate {
        /// The date in the scope.
        scope: ScopeDate,
        /// The signing time.
        signed_at: UnixMillis,
    },
    /// A scope whose region is not the configured region.
    #[error("Credential should be scoped to a valid region. ")]
    ScopeRegion,
    /// A scope whose service is not `kms`.
    #[error("Credential should be scoped to correct service: 'kms'. ")]
    ScopeService,
    /// A scope whose terminator is not `aws4_request`.
    #[error("Credential should be scoped with a valid terminator: 'aws4_request'. ")]
    ScopeTerminator,
    /// A signing time too far in the past.
    #[error(
        "Signature expired: {} is now earlier than {} ({} - 5 min.)",
        .signed_at.basic_iso8601(),
        .earliest.basic_iso8601(),
        .now.basic_iso8601()
    )]
    Expired {
        /// The signing time.
        signed_at: UnixMillis,
        /// The earliest accepted signing time.
        earliest: UnixMillis,
        /// The current time, in whole seconds.
        now: UnixMillis,
    },
    /// A signing time too far in the future.
    #[error(
        "Signature not yet current: {} is still later than {} ({} + 5 min.)",
        .signed_at.basic_iso8601(),
        .latest.basic_iso8601(),
        .now.basic_iso8601()
    )]
    NotYetCurrent {
        /// The signing time.
        signed_at: UnixMillis,
        /// The latest accepted signing time.
        latest: UnixMillis,
        /// The current time, in whole seconds.
        now: UnixMillis,
    },
    /// A signature with another secret, or over another request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
}

/// The date of a scope. Messages contain the date only if it is eight digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeDate {
    /// Eight digits, as a number.
    Digits(u32),
    /// Text that is not eight digits.
    Other,
}

impl ScopeDate {
    pub(super) fn new(text: &str) -> Self {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Self::Digits(number),
            _ => Self::Other,
        }
    }
}

impl fmt::Display for ScopeDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits(number) => write!(formatter, "{number:08}"),
            Self::Other => formatter.write_str("?"),
        }
    }
}
