//! HTTP/1.1 messages that are read completely before a decision.
//!
//! The framing is strict: one Content-Length, no Transfer-Encoding, no informational response, no byte after
//! the body. hyper hides some of these from its callers: it skips informational responses, and it joins two
//! equal Content-Length fields. Therefore this module uses the parser of hyper, `httparse`, and reads from
//! the connection itself. A message is never forwarded as it arrived. It is encoded again from its fields.

mod error;
mod fields;
mod message;
mod request_head;
mod response_head;

pub use self::error::FramingError;
pub(crate) use self::error::ReadError;
pub(crate) use self::fields::Fields;
pub(crate) use self::message::{Limits, Message, idle_fault, read_message};
pub(crate) use self::request_head::RequestHead;
pub(crate) use self::response_head::ResponseHead;

/// Maximum length of the head of a message, in bytes. SDKs send about 1,000.
pub(crate) const MAX_HEAD_LENGTH: usize = 16 * 1024;

/// Maximum number of fields of a message. SDKs send about 15.
const MAX_FIELDS: usize = 100;
