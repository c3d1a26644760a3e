//! A relay that replaces responses.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::clients::Message;

type Forge = Arc<dyn Fn(&Message, Message) -> Message + Send + Sync>;

/// A relay without TLS. It passes requests and documents on unchanged, and replaces the responses to KMS
/// requests. It listens until the process ends.
pub(crate) struct ForgingRelay {
    address: SocketAddr,
}

impl ForgingRelay {
    /// Starts a relay. `forge` receives a KMS request and the enclave's response.
    pub(crate) fn in_front_of(
        enclave: SocketAddr,
        forge: impl Fn(&Message, Message) -> Message + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let forge: Forge = Arc::new(forge);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, forge) = (client.unwrap(), Arc::clone(&forge));
                thread::spawn(move || relay(&client, enclave, &forge));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Relays all requests of a connection one after the other.
fn relay(mut client: &TcpStream, enclave: SocketAddr, forge: &Forge) {
    let mut connection = Connection::open(enclave);
    let mut requests = BufReader::new(client);
    while let Some(request) = Message::read(&mut requests) {
        let mut response = connection.exchange(&request);
        if request.head[0].starts_with("POST / ") {
            response = forge(&request, response);
        }
        // A client that rejected an earlier response may have closed the connection.
        if client.write_all(&response.to_bytes()).is_err() {
            return;
        }
    }
}

/// Sends one request on a new connection.
pub(crate) fn exchange(enclave: SocketAddr, request: &Message) -> Message {
    Connection::open(enclave).exchange(request)
}

struct Connection {
    stream: TcpStream,
    responses: BufReader<TcpStream>,
}

impl Connection {
    fn open(enclave: SocketAddr) -> Self {
        let stream = TcpStream::connect(enclave).unwrap();
        let responses = BufReader::new(stream.try_clone().unwrap());
        Self { stream, responses }
    }

    fn exchange(&mut self, request: &Message) -> Message {
        self.stream.write_all(&request.to_bytes()).unwrap();
        Message::read(&mut self.responses).unwrap()
    }
}
