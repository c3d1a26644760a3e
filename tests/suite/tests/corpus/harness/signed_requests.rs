//! Parts of signed requests, and the expected errors with the messages of KMS.

use crate::harness::requests::{BODY, PLAINTEXT_RESPONSE};
use crate::harness::response::Expected;
use crate::harness::row::Row;
use crate::harness::sigv4_signer::UnsignedRequest;

/// Returns an unsigned GenerateRandom request without a Recipient.
pub(crate) fn draft() -> UnsignedRequest {
    UnsignedRequest::new(BODY)
}

/// Appends a valid signed request.
pub(crate) fn followed_by_signed_request(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [bytes.as_ref(), &draft().signed()].concat()
}

/// Adds a case: the service rejects `bytes` with `response` and draws no entropy for them. The
/// service then serves the next request.
pub(crate) fn rejects(
    row: Row,
    case: impl Into<String>,
    bytes: impl AsRef<[u8]>,
    response: Expected,
) -> Row {
    row.exchange(case, followed_by_signed_request(bytes), vec![response, PLAINTEXT_RESPONSE])
}

/// Adds a case: the service accepts `bytes` and the next request.
pub(crate) fn accepts(row: Row, case: impl Into<String>, bytes: impl AsRef<[u8]>) -> Row {
    row.exchange(
        case,
        followed_by_signed_request(bytes),
        vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
    )
}

pub(crate) fn missing_token() -> Expected {
    Expected::error(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
}

pub(crate) fn incomplete(message: &str) -> Expected {
    Expected::error(400, "IncompleteSignatureException", message)
}

pub(crate) fn invalid(message: &str) -> Expected {
    Expected::error(400, "InvalidSignatureException", message)
}

/// Returns the expected response to an unknown access key or session token.
pub(crate) fn unrecognized() -> Expected {
    let message = "The security token included in the request is invalid.";
    Expected::error(400, "UnrecognizedClientException", message)
}

/// Returns the expected response to a signature that does not match the received request.
pub(crate) fn mismatch() -> Expected {
    invalid(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )
}

pub(crate) fn not_signed(name: &str) -> Expected {
    incomplete(&format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))
}

pub(crate) fn sent_twice(name: &str) -> Expected {
    incomplete(&format!("The header '{name}' must be sent only once."))
}

/// Returns the expected response to a `SignedHeaders` parameter that is not a valid list of names.
pub(crate) fn no_list() -> Expected {
    incomplete(
        "SignedHeaders must be header names in lower case, each once, in ascending order, \
         separated by semicolons.",
    )
}

pub(crate) fn several_authorizations() -> Expected {
    incomplete("Exactly one Authorization header is needed.")
}

pub(crate) fn algorithm() -> Expected {
    incomplete("The algorithm in the Authorization header must be 'AWS4-HMAC-SHA256'.")
}

pub(crate) fn unknown_parameter() -> Expected {
    incomplete(
        "Authorization header must have the parameters 'Credential', 'SignedHeaders' and \
         'Signature', separated by commas, and nothing else.",
    )
}

/// Returns the expected response to missing parameters. AWS's message contains one sentence per
/// parameter.
pub(crate) fn missing_parameters(names: &[&str]) -> Expected {
    let sentence = |name: &&str| format!("Authorization header requires '{name}' parameter. ");
    incomplete(&names.iter().map(sentence).collect::<String>())
}

pub(crate) fn not_printable() -> Expected {
    incomplete("The Authorization header must be at most 4096 characters of printable ASCII.")
}

pub(crate) fn credential_form() -> Expected {
    incomplete(
        "Credential must have exactly 5 slash-delimited elements, as in \
         'ACCESSKEYID/YYYYMMDD/region/kms/aws4_request'.",
    )
}

pub(crate) fn access_key_form() -> Expected {
    incomplete("The access key ID in Credential must be 1 to 128 letters, digits or underscores.")
}

pub(crate) fn query() -> Expected {
    incomplete(
        "A request must have no query string: the signature belongs in the Authorization header, \
         presigned queries are not accepted.",
    )
}

pub(crate) fn no_date() -> Expected {
    incomplete(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
    )
}

pub(crate) fn date_form() -> Expected {
    incomplete(
        "Date must be in ISO-8601 'basic format': X-Amz-Date must be a date and time like \
         '20240820T230143Z'.",
    )
}

pub(crate) fn http_date_form() -> Expected {
    incomplete(
        "Without X-Amz-Date, Date must be a date and time like 'Tue, 20 Aug 2024 23:01:43 GMT' or \
         '20240820T230143Z'.",
    )
}
