//! A relay in this process, and what it relays to.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use attested_recipient::{Document, Simulator};
use kms_api::KmsError;
use parent_proxy::{Config, Relay};
use tokio::runtime::Runtime;
use transport::Endpoint;

use super::tampering_proxy::Message;

/// A relay on a free loopback port. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct RelayedService {
    endpoint_url: String,
    // Dropped first: a relay outlived by its upstream has nothing to report.
    _relay: Runtime,
    simulator: Option<Simulator>,
}

impl RelayedService {
    /// In front of a simulated enclave.
    pub(crate) fn simulator() -> Self {
        Self::enclave(Simulator::start().unwrap())
    }

    /// In front of a simulated enclave that was told more. It ends when this is dropped.
    pub(crate) fn enclave(simulator: Simulator) -> Self {
        let relayed = Self::in_front_of(simulator.address());
        let endpoint_url = match simulator.endpoint_url().starts_with("https:") {
            // The relay does not see whether what passes is TLS.
            true => relayed.endpoint_url.replace("http://127.0.0.1", "https://localhost"),
            false => relayed.endpoint_url.clone(),
        };
        Self { endpoint_url, simulator: Some(simulator), ..relayed }
    }

    /// In front of a server of the test's own.
    pub(crate) fn in_front_of(upstream: SocketAddr) -> Self {
        let upstream = upstream.to_string();
        // A server of a test's own has so many answers, and none for who asks whether it is ready.
        let unasked = "--health-interval=0";
        let arguments =
            ["parent-proxy", "--listen", "127.0.0.1:0", "--upstream", &upstream, unasked];
        let config = Config::from_arguments(arguments).unwrap();
        let runtime = Runtime::new().unwrap();
        let relay = runtime.block_on(Relay::bind(&config)).unwrap();
        let Endpoint::Tcp(address) = relay.local_endpoint() else { panic!("{relay:?}") };
        let endpoint_url = format!("http://{address}");
        drop(runtime.spawn(relay.run(std::future::pending())));
        Self { endpoint_url, _relay: runtime, simulator: None }
    }

    /// The relay's, never the simulator's own.
    pub(crate) fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// A document from the simulator's `POST /simulator/attest`.
    pub(crate) fn document(&self, document: &Document) -> Vec<u8> {
        let simulator = self.simulator.as_ref().unwrap();
        simulator.client_at(&self.endpoint_url).unwrap().document(document).unwrap()
    }
}

/// A server that gives the answers it was given, one for each connection, and never another.
#[derive(Debug)]
pub(crate) struct CannedErrorServer {
    address: SocketAddr,
}

impl CannedErrorServer {
    /// One that answers with `errors` as the service does, in order.
    pub(crate) fn start(errors: Vec<KmsError>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for error in errors {
                answer(&listener.accept().unwrap().0, &error);
            }
        });
        Self { address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn answer(mut stream: &TcpStream, error: &KmsError) {
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
