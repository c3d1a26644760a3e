//! The bytes of a signed request of a real client.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use attested_recipient::{Client, ClientError, Credentials};

use crate::load::BoxError;

/// Captures a signed request of the client. The client sends the request to a listener that returns
/// an error. The signature is valid for five minutes, so the request can be repeated.
pub(crate) fn capture(credentials: Credentials) -> Result<Vec<u8>, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = Client::new(&format!("http://{}", listener.local_addr()?));
    let captured = thread::spawn(move || -> Result<Vec<u8>, BoxError> {
        let (mut stream, _) = listener.accept()?;
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer)?;
            request.extend(buffer.get(..length).filter(|piece| !piece.is_empty()).ok_or("cut")?);
        }
        stream.write_all(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )?;
        Ok(request)
    });
    match client.with_credentials(credentials).generate_random(32) {
        Err(ClientError::Malformed { status: 503 }) => {
            captured.join().map_err(|_| "the capturing thread panicked")?
        }
        other => Err(format!("unexpected result of the captured request: {other:?}").into()),
    }
}
