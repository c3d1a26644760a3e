//! Who calls: AWS Signature Version 4, verified over the request as received.
//!
//! What [`SigV4`] establishes, in this order, before it makes a [`Caller`]:
//!
//! 1. The signature is in the one Authorization header; the request has no query.
//! 2. That header has every parameter once, each of the right form.
//! 3. Host, the date and every X-Amz-* header that was sent are signed, and no header that matters
//!    came twice.
//! 4. The scope is the date of the signing time, our region, kms.
//! 5. The signing time, which is X-Amz-Date or, where there is none, Date, is within five minutes of
//!    now.
//! 6. The access key is known, and the session token is its own.
//! 7. The signature is right.
//! 8. The credential has not expired; only who holds it learns that it has.
//!
//! Content-Type is covered only where the client lists it. The AWS SDKs for JavaScript v2, PHP before
//! 3.385.3 and Android, AsyncAws and aws4fetch leave it unsigned, and KMS accepts them. It opens no
//! hole: a body has one meaning here, that of awsJson1_1, whatever its media type says. Another media
//! type, or a second Content-Type, is refused after authentication and selects nothing. So a change on
//! the way does no more than dropping the request would. What selects (method, path, X-Amz-Target) and
//! what is selected (the body) is always signed.
//!
//! Nothing here does I/O or reads a clock, and no error repeats a secret, a signature or a token.
//! Real IAM secrets cannot be verified outside AWS: credentials are the service's own.
//!
//! Why not the crate `scratchstack-aws-signature` (0.11.4): it brings 58 crates, 35 of them new
//! here, among them a second `sha2` and `hmac`, `chrono`, `regex` and `tower`. Its window is fixed at
//! 15 minutes. It is async and asks a tower service for the key of each request; secrets and keys
//! are `Copy` and never wiped; the canonical request is built in memory. It accepts presigned
//! queries, takes the first of two headers and the last of two parameters, has the errors of STS
//! and not of KMS, repeats the credential in them, and traces the signature it expected.

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
