//! The service behind a relay. Clients connect to the relay over TCP.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use attested_recipient::Simulator;
use parent_proxy::{Config, Relay};
use tokio::runtime::Runtime;
use transport::Endpoint;

/// Time limit that only a hang reaches.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A relay in front of a simulator. The relay stops when its runtime is dropped.
pub(crate) struct Service {
    pub(crate) simulator: Simulator,
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::in_front_of(Simulator::start().unwrap())
    }

    pub(crate) fn in_front_of(simulator: Simulator) -> Self {
        Self::with_arguments(simulator, &[])
    }

    /// Starts a relay with additional arguments.
    pub(crate) fn with_arguments(simulator: Simulator, more: &[&str]) -> Self {
        let upstream = simulator.address().to_string();
        let arguments = ["parent-proxy", "--listen", "127.0.0.1:0", "--upstream", &upstream];
        let config = Config::from_arguments([&arguments, more].concat()).unwrap();
        let runtime = Runtime::new().unwrap();
        let relay = runtime.block_on(Relay::bind(&config)).unwrap();
        let Endpoint::Tcp(address) = relay.local_endpoint() else { panic!("not TCP") };
        let address = address.parse().unwrap();
        runtime.spawn(relay.run(std::future::pending()));
        Self { simulator, address, _runtime: runtime }
    }

    /// Returns the URL for clients.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends `bytes`, closes the sending half, and returns all received bytes.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        // The service may respond and close before it has read everything.
        drop(stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write)));
        let mut response = Vec::new();
        drop(stream.read_to_end(&mut response));
        String::from_utf8(response).unwrap()
    }

    /// Sends a KMS request in the format of the SDKs.
    pub(crate) fn kms(&self, operation: &str, body: &str) -> Response {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: TrentService.{operation}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Response::parse(&self.exchange(request.as_bytes()))
    }
}

/// A parsed response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}
