//! HTTP messages as bytes, so that tests control every one of them.

use tokio::io::{AsyncRead, AsyncReadExt};

/// A received message: its head with the final empty line, and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads a message with Content-Length. Returns `None` at the end of the connection.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let mut message = Self { head: String::from_utf8(head).unwrap(), body: Vec::new() };
        let length = message.value("content-length").map_or(0, |length| length.parse().unwrap());
        message.body = vec![0; length];
        stream.read_exact(&mut message.body).await.ok()?;
        Some(message)
    }

    /// Returns the value of the first field with this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    /// Returns the first line.
    pub(crate) fn start_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// Replaces text of the head, which must occur.
    pub(crate) fn replacing(mut self, old: &str, new: &str) -> Self {
        assert!(self.head.contains(old), "no {old:?} in {:?}", self.head);
        self.head = self.head.replace(old, new);
        self
    }

    /// Adds lines to the end of the head.
    pub(crate) fn with_lines(self, lines: &str) -> Self {
        let head = self.head.strip_suffix("\r\n").unwrap();
        Self { head: format!("{head}{lines}\r\n"), ..self }
    }

    /// Removes the fields with this name.
    pub(crate) fn without(self, name: &str) -> Self {
        let is_kept = |line: &&str| {
            !line.split_once(':').is_some_and(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        let head = self.head.split_inclusive("\r\n").filter(is_kept).collect();
        Self { head, ..self }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}
