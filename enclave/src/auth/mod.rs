//! Authentication of callers by AWS Signature Version 4, over the received request.
//!
//! Before [`SigV4`] returns a caller, it checks the request in this order:
//!
//! 1. The request has exactly one Authorization header and no query string.
//! 2. The header has each parameter exactly once, and each parameter is well-formed.
//! 3. The signature covers Host, the date header and every X-Amz-* header. No security-relevant header is repeated.
//! 4. The scope contains the date of the signing time, the configured region, and `kms`.
//! 5. The signing time differs from the current time by at most five minutes.
//! 6. A configured credential has the access key ID. The session token is the token of this credential.
//! 7. The signature verifies.
//! 8. The credential has not expired. This check is last, so only a caller with the secret learns of the expiry.
//!
//! The signature need not cover Content-Type. Some clients do not sign this header, and KMS accepts their requests:
//! the AWS SDKs for JavaScript v2, for PHP before 3.385.3 and for Android, AsyncAws and aws4fetch. An unsigned
//! Content-Type is safe, because the service parses every body as awsJson1_1. The service rejects another media type,
//! or a second Content-Type, after authentication. A change of the header in transit can therefore only
//! make the request fail. The method, the path, X-Amz-Target and the body are always signed.
//!
//! This module performs no I/O and reads no clock. No error contains a secret, a signature or a token. Only AWS can
//! verify signatures with IAM secrets, so the configuration defines the credentials.
//!
//! This module does not use the crate `scratchstack-aws-signature` (0.11.4), for these reasons:
//!
//! - The crate has 58 dependencies. 35 of them are new to this workspace: `chrono`, `regex`, `tower`, a second
//!   version of `sha2` and of `hmac`, and others.
//! - The crate accepts signing times within 15 minutes, and this limit is fixed.
//! - The crate is async, and requests the signing key of each request from a tower service.
//! - The types of secrets and keys are `Copy`, and never wiped. The canonical request is built in memory.
//! - The crate accepts presigned queries. Of two equal headers it uses the first, of two equal parameters the last.
//! - The error texts are those of STS, not of KMS, and contain the credential.
//! - The crate writes the expected signature to the trace log.

mod authenticator;
mod authorization_header;
mod caller;
mod canonical_request;
mod credential;
mod error;
mod headers;
mod parameter;
mod secret;
mod sigv4;
#[cfg(test)]
mod tests;

pub use authenticator::Authenticator;
pub use authorization_header::is_access_key_id;
pub use caller::Caller;
pub use credential::Credential;
pub use error::{AuthenticationError, IncompleteSignature, InvalidSignature, ScopeDate};
pub use parameter::Parameter;
pub use secret::Secret;
pub use sigv4::{DuplicateAccessKey, SigV4};
