//! Authorization: the one place that makes an [`Admitted`], without which nothing is drawn.
//!
//! Two judges, and both must agree: what the service asks of every Recipient ([`RecipientPolicy`]),
//! and what the caller's own policies allow ([`iam`](crate::iam)).

mod admitted;
mod denied;
mod judge;
mod recipient;
mod request;

pub use self::admitted::Admitted;
pub(crate) use self::admitted::AnswerForm;
pub use self::denied::{Denied, NotAdmitted};
pub(crate) use self::judge::Asker;
pub use self::judge::Policy;
pub use self::recipient::{InvalidMeasurement, Measurement, Plaintext, RecipientPolicy};
pub(crate) use self::request::{AttestedRequest, Request};
pub use self::request::{PlainRequest, ProvenRequest};
