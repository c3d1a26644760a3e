//! A relay in this process, and the servers behind it.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use attested_recipient::{Document, Simulator};
use kms_api::KmsError;
use parent_proxy::{Config, Relay};
use tokio::runtime::Runtime;
use transport::Endpoint;

use super::tampering_proxy::Message;

/// A relay on a free loopback port, and the server behind it. Both stop when this value is dropped.
#[derive(Debug)]
pub(crate) struct RelayedService {
    endpoint_url: String,
    // The relay is dropped before the server, so that the relay does not log the loss of its
    // upstream.
    _relay: Runtime,
    simulator: Option<Simulator>,
}

impl RelayedService {
    /// Starts a relay in front of a simulated enclave.
    pub(crate) fn simulator() -> Self {
        Self::enclave(Simulator::start().unwrap())
    }

    /// Starts a relay in front of the given simulated enclave.
    pub(crate) fn enclave(simulator: Simulator) -> Self {
        let relayed = Self::in_front_of(simulator.address());
        let endpoint_url = match simulator.endpoint_url().starts_with("https:") {
            // The URL from `in_front_of` always has the scheme http, because the relay does not
            // parse the bytes.
            true => relayed.endpoint_url.replace("http://127.0.0.1", "https://localhost"),
            false => relayed.endpoint_url.clone(),
        };
        Self { endpoint_url, simulator: Some(simulator), ..relayed }
    }

    /// Starts a relay in front of a server that the test controls.
    pub(crate) fn in_front_of(upstream: SocketAddr) -> Self {
        let upstream = upstream.to_string();
        // The server has a fixed number of responses, so the relay must not send health checks.
        let no_health_checks = "--health-interval=0";
        let arguments =
            ["parent-proxy", "--listen", "127.0.0.1:0", "--upstream", &upstream, no_health_checks];
        let config = Config::from_arguments(arguments).unwrap();
        let runtime = Runtime::new().unwrap();
        let relay = runtime.block_on(Relay::bind(&config)).unwrap();
        let Endpoint::Tcp(address) = relay.local_endpoint() else { panic!("{relay:?}") };
        let endpoint_url = format!("http://{address}");
        drop(runtime.spawn(relay.run(std::future::pending())));
        Self { endpoint_url, _relay: runtime, simulator: None }
    }

    /// Returns the URL of the relay.
    pub(crate) fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// Requests a document from the simulator's `POST /simulator/attest`.
    pub(crate) fn document(&self, document: &Document) -> Vec<u8> {
        let simulator = self.simulator.as_ref().unwrap();
        simulator.client_at(&self.endpoint_url).unwrap().document(document).unwrap()
    }
}

/// A server that sends one prepared response per connection.
#[derive(Debug)]
pub(crate) struct CannedErrorServer {
    address: SocketAddr,
}

impl CannedErrorServer {
    /// Starts a server that returns `errors` in order, in the format of the service.
    pub(crate) fn start(errors: Vec<KmsError>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for error in errors {
                send_error(&listener.accept().unwrap().0, &error);
            }
        });
        Self { address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn send_error(mut stream: &TcpStream, error: &KmsError) {
    Message::read(&mut BufReader::new(stream)).unwrap();
    let (status, body) = (error.error_type.status(), error.to_json());
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} _\r\ncontent-type: application/x-amz-json-1.1\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&body).unwrap();
}
