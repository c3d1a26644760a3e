//! The real clients, such as boto3. Each is a process in a clean environment that connects to the
//! relay.

mod enveloped_data;
mod process;
mod relayed_service;
mod sdk;
mod tampering_proxy;

pub(crate) use enveloped_data::{TestKey, assert_kms_layout};
pub(crate) use process::{ServiceUrl, cli, cli_as, model, python_path};
pub(crate) use relayed_service::{CannedErrorServer, RelayedService};
pub(crate) use sdk::{Outcome, Sdk, SdkError};
pub(crate) use tampering_proxy::{Message, TamperingProxy};
