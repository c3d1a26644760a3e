//! The real clients: processes in a clean environment, in front of the relay.

mod envelope;
mod process;
mod relayed;
mod sdk;
mod tamperer;

pub(crate) use envelope::{TestKey, assert_form};
pub(crate) use process::{Site, cli, cli_as, model};
pub(crate) use relayed::{Canned, Relayed};
pub(crate) use sdk::{Failure, Outcome, Sdk};
pub(crate) use tamperer::{Message, Tamperer};
