//! Several enclaves behind relays, and SDK clients that send requests while faults occur.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::load::BoxError;
use crate::process::binary;

mod relay_metrics;
mod sdk_clients;
mod server;

pub(crate) use relay_metrics::RelayMetrics;
pub(crate) use sdk_clients::{Outcome, RATE, RequestCounts, SdkClients, Workload};
pub(crate) use server::{ResourceUsage, Server};

/// The configuration of the enclaves. The NSM has a realistic latency, so that requests are in flight
/// during every fault.
const CONFIGURATION: &str = "[simulator.nsm]\nlatency_ms = 5\n";

/// Enclaves under one root, each on a Unix socket.
pub(crate) struct Fleet {
    pub(crate) enclaves: Vec<Server>,
    folder: TempDir,
}

impl Fleet {
    /// Starts `count` enclaves.
    pub(crate) fn start(count: usize) -> Result<Self, BoxError> {
        Self::start_with(count, "")
    }

    /// Starts `count` enclaves with additional tables in their configuration.
    pub(crate) fn start_with(count: usize, tables: &str) -> Result<Self, BoxError> {
        let mut this = Self { enclaves: Vec::new(), folder: tempfile::tempdir()? };
        this.configure(tables)?;
        for n in 0..count {
            let name = format!("enclave-{n}");
            let mut command = Command::new(binary("enclave-simulator")?);
            command.arg("--listen").arg(this.socket(&name));
            command.arg("--admin-listen").arg(this.socket(&format!("{name}.admin")));
            command.arg("--simulator-state").arg(this.path("root"));
            command.arg("--config").arg(this.path("enclave.toml"));
            let mut enclave =
                Server::new(name.clone(), command, 2, this.path(&name).with_extension("log"));
            enclave.start()?;
            this.enclaves.push(enclave);
        }
        Ok(this)
    }

    /// Replaces the additional tables of the configuration, which an enclave reads when it starts. The
    /// text may begin with further keys of `[simulator.nsm]`.
    pub(crate) fn configure(&self, tables: &str) -> Result<(), BoxError> {
        Ok(fs::write(self.path("enclave.toml"), configuration(tables))?)
    }

    /// Returns a simulator without TLS that has the same root as the enclaves, so that they accept the
    /// documents that it signs. The caller must start it.
    pub(crate) fn document_signer(&self) -> Result<Server, BoxError> {
        let mut command = Command::new(binary("enclave-simulator")?);
        command.args(["--listen", "127.0.0.1:0", "--simulator-state"]).arg(self.path("root"));
        Ok(self.server("document-signer", command, 1))
    }

    /// Returns a relay with these flags in front of all enclaves. The caller must start the relay.
    pub(crate) fn relay(&self, name: &str, flags: &[&str]) -> Result<Server, BoxError> {
        let mut command = Command::new(binary("parent-proxy")?);
        command.args(self.flags()).args(flags);
        Ok(self.server(name, command, 2))
    }

    /// Returns a relay that inherits `listener` in the form of systemd: the listener is descriptor 3,
    /// and LISTEN_PID is the ID of the relay's process. Several relays can share a listener, at the same
    /// time or one after the other.
    pub(crate) fn relay_with_socket(
        &self,
        listener: &TcpListener,
        name: &str,
        flags: &[&str],
    ) -> Result<Server, BoxError> {
        const PASS: &str = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", PASS, "sh"]).arg(binary("parent-proxy")?);
        command.args(self.flags()).args(["--listen", "systemd"]).args(flags);
        command.stdin(Stdio::from(OwnedFd::from(listener.try_clone()?)));
        Ok(self.server(name, command, 2))
    }

    /// Returns the server of `command`, which prints `endpoints` endpoints at its start. The caller
    /// must start the server.
    pub(crate) fn server(&self, name: &str, command: Command, endpoints: usize) -> Server {
        Server::new(name.to_owned(), command, endpoints, self.path(name).with_extension("log"))
    }

    /// Returns the relay's upstream entry of the enclave with this index.
    pub(crate) fn upstream(&self, index: usize) -> String {
        let name = format!("enclave-{index}");
        format!("{},admin={}", self.socket(&name), self.socket(&format!("{name}.admin")))
    }

    fn flags(&self) -> Vec<String> {
        let places = 0..self.enclaves.len();
        places.flat_map(|index| ["--upstream".to_owned(), self.upstream(index)]).collect()
    }

    /// Returns the path of a file in the fleet's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }
}

/// Returns the configuration of an enclave with these additional tables.
pub(crate) fn configuration(tables: &str) -> String {
    format!("{CONFIGURATION}{tables}")
}

/// Returns the duration from `DURATION`, in seconds.
pub(crate) fn duration(default: u64) -> Result<Duration, BoxError> {
    match env::var("DURATION") {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(seconds @ 10..=86_400) => Ok(Duration::from_secs(seconds)),
            _ => Err(format!("DURATION={text}: write seconds, from 10 to 86400").into()),
        },
        _ => Ok(Duration::from_secs(default)),
    }
}
