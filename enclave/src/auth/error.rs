//! Why a request proves no caller. What is displayed is what the caller is told: the texts are
//! those of AWS KMS where they are known.

use std::fmt;

use attestation::time::UnixMillis;
use hyper::header::HeaderName;
use thiserror::Error;

use super::parameter::Parameter;

/// Why a request proves no caller.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthenticationError {
    /// No Authorization header.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// A signature that lacks a part, or has one of the wrong form.
    #[error(transparent)]
    IncompleteSignature(#[from] IncompleteSignature),
    /// A signature that is wrong, or for another place or time.
    #[error(transparent)]
    InvalidSignature(#[from] InvalidSignature),
    /// No such access key.
    #[error("The security token included in the request is invalid.")]
    UnknownAccessKey,
    /// A session token that is not the access key's, or one where it has none, or none where it has
    /// one. The caller is told the same as of an unknown access key.
    #[error("The security token included in the request is invalid.")]
    SessionTokenMismatch,
    /// A right signature by a credential whose time is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
}

/// Why there is no signature to verify.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IncompleteSignature {
    /// A query, even an empty one.
    #[error(
        "A request must have no query string: the signature belongs in the Authorization header, \
         presigned queries are not accepted."
    )]
    QueryString,
    /// Authorization headers, several.
    #[error("Exactly one Authorization header is needed.")]
    MultipleAuthorizationHeaders,
    /// An Authorization header that is too long to be one, or holds more than printable ASCII.
    #[error("The Authorization header must be at most 4096 characters of printable ASCII.")]
    HeaderText,
    /// Another algorithm.
    #[error("The algorithm in the Authorization header must be 'AWS4-HMAC-SHA256'.")]
    Algorithm,
    /// Something that is none of the three parameters.
    #[error(
        "Authorization header must have the parameters 'Credential', 'SignedHeaders' and \
         'Signature', separated by commas, and nothing else."
    )]
    UnknownParameter,
    /// A parameter twice.
    #[error("Authorization header must have the parameter '{0}' only once.")]
    DuplicateParameter(Parameter),
    /// Parameters that are not there.
    #[error("{}", missing_parameters(*.credential, *.signature, *.signed_headers))]
    MissingParameters {
        /// Whether Credential is missing.
        credential: bool,
        /// Whether Signature is missing.
        signature: bool,
        /// Whether SignedHeaders is missing.
        signed_headers: bool,
    },
    /// A credential that is not an access key and a scope.
    #[error(
        "Credential must have exactly 5 slash-delimited elements, \
         as in 'ACCESSKEYID/YYYYMMDD/region/kms/aws4_request'."
    )]
    Credential,
    /// An access key id that nobody can have.
    #[error("The access key ID in Credential must be 1 to 128 letters, digits or underscores.")]
    AccessKeyId,
    /// A list of signed headers that is not one.
    #[error(
        "SignedHeaders must be header names in lower case, each once, in ascending order, \
         separated by semicolons."
    )]
    SignedHeaders,
    /// A signature that is no HMAC-SHA-256.
    #[error("Signature must be 64 lower-case hexadecimal digits.")]
    Signature,
    /// A header more than once.
    #[error("The header '{name}' must be sent only once.")]
    DuplicateHeader {
        /// Which.
        name: &'static str,
    },
    /// Neither X-Amz-Date nor Date.
    #[error(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    )]
    MissingDate,
    /// A header that must be signed and is not. The text repeats 128 characters of its name.
    #[error("'{:.128}' must be a 'SignedHeader' in the AWS Authorization.", .name.as_str())]
    HeaderNotSigned {
        /// The header's name.
        name: HeaderName,
    },
    /// An X-Amz-Date of another form.
    #[error(
        "Date must be in ISO-8601 'basic format': \
         X-Amz-Date must be a date and time like '20240820T230143Z'."
    )]
    DateFormat,
    /// A Date of another form, where there is no X-Amz-Date.
    #[error(
        "Without X-Amz-Date, Date must be a date and time like 'Tue, 20 Aug 2024 23:01:43 GMT' or \
         '20240820T230143Z'."
    )]
    HttpDateFormat,
}

/// As AWS concatenates them, each with its space at the end.
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

/// Why a signature is refused that has all its parts.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidSignature {
    /// Signed for a day that is not X-Amz-Date's.
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
         HTTP: '{scope}' != '{:.8}', from '{}'.",
        .signed_at.basic_iso8601().to_string(),
        .signed_at.basic_iso8601()
    )]
    ScopeDate {
        /// The day in the scope.
        scope: ScopeDate,
        /// X-Amz-Date.
        signed_at: UnixMillis,
    },
    /// Signed for another region.
    #[error("Credential should be scoped to a valid region. ")]
    ScopeRegion,
    /// Signed for another service.
    #[error("Credential should be scoped to correct service: 'kms'. ")]
    ScopeService,
    /// Signed with another end of the scope.
    #[error("Credential should be scoped with a valid terminator: 'aws4_request'. ")]
    ScopeTerminator,
    /// Signed too long ago.
    #[error(
        "Signature expired: {} is now earlier than {} ({} - 5 min.)",
        .signed_at.basic_iso8601(),
        .earliest.basic_iso8601(),
        .now.basic_iso8601()
    )]
    Expired {
        /// X-Amz-Date.
        signed_at: UnixMillis,
        /// The earliest that would do.
        earliest: UnixMillis,
        /// In whole seconds.
        now: UnixMillis,
    },
    /// Signed too far ahead.
    #[error(
        "Signature not yet current: {} is still later than {} ({} + 5 min.)",
        .signed_at.basic_iso8601(),
        .latest.basic_iso8601(),
        .now.basic_iso8601()
    )]
    NotYetCurrent {
        /// X-Amz-Date.
        signed_at: UnixMillis,
        /// The latest that would do.
        latest: UnixMillis,
        /// In whole seconds.
        now: UnixMillis,
    },
    /// Signed with another secret, or something else than what was received.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
}

/// The date of a scope; what is not eight digits is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeDate {
    /// Eight digits, as a number.
    Digits(u32),
    /// Anything else.
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
