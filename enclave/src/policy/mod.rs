//! Authorization of requests. Only this module creates an [`Authorized`], and the draw of entropy requires it.
//!
//! Two policies must allow a request: the service's policy for Recipients ([`RecipientPolicy`]), and the IAM
//! policies of the caller ([`iam`](crate::iam)).

mod authorization_error;
mod authorize;
mod authorized;
mod recipient;
mod request;

pub use self::authorization_error::{AuthorizationError, DenialReason};
pub(crate) use self::authorize::AuthContext;
pub use self::authorize::Policy;
pub use self::authorized::Authorized;
pub(crate) use self::authorized::ResponseForm;
pub use self::recipient::{InvalidMeasurement, Measurement, Plaintext, RecipientPolicy};
pub(crate) use self::request::{AttestedRequest, Request};
pub use self::request::{PlainRequest, VerifiedRequest};
