//! The relay between TCP and a vsock port, and plain requests through it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::virtual_machine::{BOOT_TIMEOUT, Process};

/// A relay to a port of the enclave.
pub(crate) struct Relay {
    authority: String,
    _process: Process,
}

impl Relay {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = Process(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("parent-proxy listening on ").unwrap();
        Self { authority: address.to_owned(), _process: process }
    }

    /// Returns `HOST:PORT`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the URL without TLS.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Sends GET and returns status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, Vec<u8>) {
        read(agent().get([&self.url(), path].concat()).call())
    }

    /// Returns the second line of `/readyz`. The first line must report that the enclave is ready.
    pub(crate) fn tls_line_when_ready(&self) -> String {
        let (status, body) = self.get("/readyz");
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{body}");
        body.strip_prefix("ready\n").unwrap_or_else(|| panic!("{body}")).to_owned()
    }

    /// Sends a KMS request to the path and returns status and body.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Vec<u8>) {
        let request = agent()
            .post([&self.url(), path].concat())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "TrentService.GenerateRandom");
        read(request.send(body))
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(BOOT_TIMEOUT))
        .build()
        .new_agent()
}

fn read(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Vec<u8>) {
    let mut response = response.unwrap();
    (response.status().as_u16(), response.body_mut().read_to_vec().unwrap())
}
