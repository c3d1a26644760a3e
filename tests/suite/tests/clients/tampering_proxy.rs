//! A proxy between a client and the relay. The proxy changes requests.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Read timeout of a connection. No client of a test keeps a connection idle that long.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// An HTTP message with Content-Length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The start line and the header lines, each with its line end, without the empty line.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

type Change = Arc<dyn Fn(&mut Message) + Send + Sync>;

/// A proxy that changes each request and forwards each response unchanged. It listens until the
/// process ends.
#[derive(Debug)]
pub(crate) struct TamperingProxy {
    endpoint_url: String,
}

impl TamperingProxy {
    /// Starts a proxy in front of `upstream`, such as `http://127.0.0.1:8000`.
    pub(crate) fn in_front_of(
        upstream: &str,
        change: impl Fn(&mut Message) + Send + Sync + 'static,
    ) -> Self {
        let upstream = upstream.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint_url = format!("http://{}", listener.local_addr().unwrap());
        let change: Change = Arc::new(change);
        thread::spawn(move || {
            for client in listener.incoming() {
                let change = Arc::clone(&change);
                thread::spawn(move || forward(&client.unwrap(), upstream, &change));
            }
        });
        Self { endpoint_url }
    }

    /// Returns the URL of the proxy.
    pub(crate) fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }
}

/// Forwards all requests of a connection one after the other.
fn forward(mut client: &TcpStream, upstream: SocketAddr, change: &Change) {
    let mut server = TcpStream::connect(upstream).unwrap();
    for stream in [client, &server] {
        stream.set_read_timeout(Some(HANG_TIMEOUT)).unwrap();
    }
    let mut requests = BufReader::new(client);
    let mut responses = BufReader::new(server.try_clone().unwrap());
    while let Some(mut request) = Message::read(&mut requests) {
        change(&mut request);
        server.write_all(&request.to_bytes()).unwrap();
        let response = Message::read(&mut responses).expect("a response");
        client.write_all(&response.to_bytes()).unwrap();
    }
}

impl Message {
    /// Returns the next message, or `None` at the end of the stream.
    pub(crate) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line).unwrap() {
                0 => {
                    assert!(head.is_empty(), "truncated message: {head:?}");
                    return None;
                }
                _ if line == "\r\n" => break,
                _ => head.push(line),
            }
        }
        let mut message = Self { head, body: Vec::new() };
        let length = message.header("content-length").map_or(0, |text| text.parse().unwrap());
        message.body = vec![0; length];
        reader.read_exact(&mut message.body).unwrap();
        Some(message)
    }

    /// Returns the value of a header. Asserts that the header occurs at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.iter().filter_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }

    /// Replaces the value of a header. Asserts that the header is present.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        let is_header = |line: &&mut String| {
            line.split_once(':').is_some_and(|(header, _)| header.eq_ignore_ascii_case(name))
        };
        let line = self.head.iter_mut().find(is_header).unwrap();
        *line = format!("{name}: {value}\r\n");
    }

    /// Removes a header. Asserts that the header is present.
    pub(crate) fn remove_header(&mut self, name: &str) {
        assert!(self.header(name).is_some(), "{name} is absent");
        let is_header = |line: &String| {
            line.split_once(':').is_some_and(|(header, _)| header.eq_ignore_ascii_case(name))
        };
        self.head.retain(|line| !is_header(line));
    }

    /// Replaces the body and its Content-Length.
    pub(crate) fn set_body(&mut self, body: Vec<u8>) {
        self.set_header("content-length", &body.len().to_string());
        self.body = body;
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [self.head.concat().as_bytes(), b"\r\n", &self.body].concat()
    }
}
