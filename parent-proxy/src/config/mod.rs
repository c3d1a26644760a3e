//! The configuration of the relay, from the command line, the environment and a file.

mod command;
mod effective;
mod enclave;
mod error;
mod resolve;
mod route;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod values;

pub use self::command::Command;
pub use self::enclave::{Enclave, InvalidEnclave};
pub use self::error::ConfigError;
pub use self::route::{ClientListener, InvalidRoute, Route};
pub use self::values::{Config, ConfigArchive, HealthChecks, LogReceiverConfig};
