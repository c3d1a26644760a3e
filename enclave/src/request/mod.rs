//! One request: its context as it was received, its identifier, and its outcome.

mod outcome;
mod received;
mod request_id;

pub(crate) use outcome::Outcome;
pub(crate) use received::TurnKey;
pub use received::{Channel, ConnectionKey, Received, TlsDetails};
pub use request_id::RequestId;
