//! The real clients: processes in a clean environment, in front of the relay.

mod enveloped_data;
mod process;
mod relayed_service;
mod sdk;
mod tampering_proxy;

pub(crate) use enveloped_data::{TestKey, assert_form};
pub(crate) use process::{Site, cli, cli_as, model};
pub(crate) use relayed_service::{Canned, Relayed};
pub(crate) use sdk::{Failure, Outcome, Sdk};
pub(crate) use tampering_proxy::{Message, Tamperer};
