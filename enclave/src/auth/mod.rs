//! Authentication of callers by AWS Signature Version 4, over the received request.
//!
//! [`SigV4`] checks in this order, before it returns a caller:
//!
//! 1. The request has exactly one Authorization header and no query string.
//! 2. The header has every parameter once, each well-formed.
//! 3. Host, the date and every X-Amz-* header that was sent are signed. No security-relevant header is
//!    repeated.
//! 4. The scope is the date of the signing time, the configured region, and kms.
//! 5. The signing time (X-Amz-Date, or else Date) is within five minutes of now.
//! 6. The access key is known, and the session token matches its credential.
//! 7. The signature verifies.
//! 8. The credential has not expired. Only the holder of its secret can learn that it has.
//!
//! Content-Type need not be signed. The AWS SDKs for JavaScript v2, PHP before 3.385.3 and Android, AsyncAws
//! and aws4fetch leave it unsigned, and KMS accepts their requests. This is safe: the service parses every body
//! as awsJson1_1. Another media type, or a second Content-Type, is rejected after authentication. Changing the
//! header on the way has no more effect than dropping the request. The method, the path, X-Amz-Target and the
//! body are always signed.
//!
//! This module does no I/O and reads no clock. No error repeats a secret, a signature or a token. IAM secrets
//! cannot be verified outside AWS, so the configuration defines the credentials.
//!
//! Why not the crate `scratchstack-aws-signature` (0.11.4):
//!
//! - It adds 58 crates, 35 of them new to this workspace, including a second `sha2` and `hmac`, `chrono`,
//!   `regex` and `tower`.
//! - Its window is fixed at 15 minutes. It is async and requests the key of each request from a tower service.
//! - Secrets and keys are `Copy` and never wiped. The canonical request is built in memory.
//! - It accepts presigned queries, the first of two headers and the last of two parameters.
//! - Its errors are those of STS, not of KMS, and repeat the credential. It traces the expected signature.

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
