//! Several enclaves behind relays, and clients that ask while something happens to those.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::load::Failure;
use crate::process::binary;

mod server;
mod watch;
mod workers;

pub(crate) use server::{Held, Server};
pub(crate) use watch::Watch;
pub(crate) use workers::{RATE, Tally, Workers};

/// Enclaves under one root, each on a Unix socket.
pub(crate) struct Fleet {
    pub(crate) enclaves: Vec<Server>,
    folder: TempDir,
}

impl Fleet {
    /// Starts so many enclaves.
    pub(crate) fn start(count: usize) -> Result<Self, Failure> {
        let mut this = Self { enclaves: Vec::new(), folder: tempfile::tempdir()? };
        for n in 0..count {
            let name = format!("enclave-{n}");
            let mut command = Command::new(binary("enclave-simulator")?);
            command.arg("--listen").arg(this.socket(&name));
            command.arg("--admin-listen").arg(this.socket(&format!("{name}.admin")));
            command.arg("--simulator-state").arg(this.path("root"));
            let mut enclave =
                Server::new(name.clone(), command, 2, this.path(&name).with_extension("log"));
            enclave.start()?;
            this.enclaves.push(enclave);
        }
        Ok(this)
    }

    /// What starts a relay before them all, with these flags: not started yet.
    pub(crate) fn relay(&self, name: &str, flags: &[&str]) -> Result<Server, Failure> {
        let mut command = Command::new(binary("parent-proxy")?);
        command.args(self.upstreams()).args(["--admin-listen", "127.0.0.1:0"]).args(flags);
        Ok(self.server(name, command))
    }

    /// Another relay's command.
    pub(crate) fn server(&self, name: &str, command: Command) -> Server {
        Server::new(name.to_owned(), command, 2, self.path(name).with_extension("log"))
    }

    /// A relay's flags.
    pub(crate) fn upstreams(&self) -> Vec<String> {
        let upstream = |enclave: &Server| {
            let name = &enclave.name;
            let admin = self.socket(&format!("{name}.admin"));
            ["--upstream".to_owned(), format!("{},admin={admin}", self.socket(name))]
        };
        self.enclaves.iter().flat_map(upstream).collect()
    }

    /// A file of its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }
}

/// How long it is to go on: `DURATION`, in seconds.
pub(crate) fn duration(default: u64) -> Result<Duration, Failure> {
    match env::var("DURATION") {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(seconds @ 10..=86_400) => Ok(Duration::from_secs(seconds)),
            _ => Err(format!("DURATION={text}: write seconds, from 10 to 86400").into()),
        },
        _ => Ok(Duration::from_secs(default)),
    }
}
