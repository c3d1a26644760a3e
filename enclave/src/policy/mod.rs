//! Authorization: the one place that makes an [`Authorized`], without which nothing is drawn.
//!
//! Two judges, and both must agree: what the service asks of every Recipient ([`RecipientPolicy`]),
//! and what the caller's own policies allow ([`iam`](crate::iam)).

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
