//! A client with as little overhead as possible, which repeats one request on one connection.

use std::io::{self, BufRead, BufReader, Read, Write};

/// A client with one connection.
pub(crate) struct KeepAliveClient<S> {
    stream: BufReader<S>,
    message: Vec<u8>,
}

impl<S: Read + Write> KeepAliveClient<S> {
    /// Creates a client that requests random bytes in plaintext.
    pub(crate) fn new(stream: S, number_of_bytes: usize) -> Self {
        Self::with_body(stream, &format!(r#"{{"NumberOfBytes":{number_of_bytes}}}"#))
    }

    /// Creates a client that sends GenerateRandom requests with this body.
    pub(crate) fn with_body(stream: S, body: &str) -> Self {
        let message = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { stream: BufReader::new(stream), message: message.into_bytes() }
    }

    /// Sends the request, and returns the body of a successful response.
    pub(crate) fn request(&mut self) -> io::Result<String> {
        self.stream.get_mut().write_all(&self.message)?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).map_err(io::Error::other)?;
        match status.starts_with("HTTP/1.1 200 ") {
            true => Ok(body),
            false => Err(io::Error::other(format!("{status}{body}"))),
        }
    }
}
