//! The table `[server]`: listeners and logs. Command-line flags and environment variables override this table. These
//! settings affect no decision about trust.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use thiserror::Error;
use transport::Endpoint;
use transport::logging::{Format, Level};

use super::arguments::Arguments;
use crate::http::Listeners;
use crate::log_forwarder;

/// The listeners and the logging settings of the process.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The endpoints that the service listens on.
    pub listeners: Listeners,
    /// True if client connections start with a PROXY protocol v2 header.
    pub proxy_protocol: bool,
    /// The endpoint that receives log lines and audit records. `None` writes the log to stderr and the records to
    /// stdout.
    pub log_endpoint: Option<Endpoint>,
    /// The format of the log on stderr.
    pub log_format: Format,
    /// The minimum level of log lines.
    pub log_level: Level,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    listen: Option<FromText<Endpoint>>,
    admin_listen: Option<FromText<Endpoint>>,
    proxy_protocol: Option<bool>,
    log_endpoint: Option<FromText<Endpoint>>,
    log_format: Option<FromText<Format>>,
    log_level: Option<FromText<Level>>,
}

impl ServerTable {
    /// Returns the effective settings. A value of `arguments` overrides the value of the table, which overrides the
    /// default.
    pub(super) fn merge(&self, arguments: &Arguments) -> Result<ServerSettings, InvalidServer> {
        let listen =
            argument_or_table(&arguments.listen, &self.listen).ok_or(InvalidServer::NoListen)?;
        let log_endpoint = argument_or_table(&arguments.log_endpoint, &self.log_endpoint);
        if let Some(Err(reason)) = log_endpoint.as_ref().map(log_forwarder::check_endpoint) {
            return Err(InvalidServer::LogEndpoint(reason));
        }
        Ok(ServerSettings {
            listeners: Listeners {
                clients: listen,
                admin: argument_or_table(&arguments.admin_listen, &self.admin_listen),
            },
            proxy_protocol: arguments.proxy_protocol.or(self.proxy_protocol).unwrap_or(false),
            log_endpoint,
            log_format: argument_or_table(&arguments.log_format, &self.log_format)
                .unwrap_or_default(),
            log_level: argument_or_table(&arguments.log_level, &self.log_level).unwrap_or_default(),
        })
    }
}

fn argument_or_table<T: Clone>(argument: &Option<T>, text: &Option<FromText<T>>) -> Option<T> {
    argument.clone().or_else(|| text.as_ref().map(|text| text.0.clone()))
}

/// A value that is parsed from a TOML string by `FromStr`.
#[derive(Clone, Debug)]
struct FromText<T>(T);

/// A type whose syntax messages can describe.
trait ParsedText: FromStr {
    const EXPECTED: &'static str;
}

impl ParsedText for Endpoint {
    const EXPECTED: &'static str =
        "vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, HOST:PORT or tcp:HOST:PORT as text";
}

impl ParsedText for Format {
    const EXPECTED: &'static str = "\"text\" or \"json\"";
}

impl ParsedText for Level {
    const EXPECTED: &'static str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
}

impl<'de, T: ParsedText> Deserialize<'de> for FromText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FromTextVisitor<T>(PhantomData<T>);
        impl<T: ParsedText> Visitor<'_> for FromTextVisitor<T> {
            type Value = FromText<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(T::EXPECTED)
            }

            // The error omits the text, because an operator may have written a secret here.
            fn visit_str<E: de::Error>(self, text: &str) -> Result<FromText<T>, E> {
                text.parse()
                    .map(FromText)
                    .map_err(|_| E::custom(format_args!("expected {}", T::EXPECTED)))
            }
        }
        deserializer.deserialize_str(FromTextVisitor(PhantomData))
    }
}

/// The error for the table `[server]` and the arguments that override it.
#[derive(Debug, Error)]
pub enum InvalidServer {
    /// No endpoint for clients.
    #[error(
        "there is no endpoint to listen on: pass --listen ENDPOINT, or set ENCLAVE_LISTEN or \
         [server] listen, such as \"vsock:4294967295:5000\""
    )]
    NoListen,
    /// A log endpoint that cannot receive lines.
    #[error("log_endpoint: {0}")]
    LogEndpoint(&'static str),
}
