//! A request as it was received.

use std::net::IpAddr;

use hyper::http::request::Parts;

use super::RequestId;

/// A request, and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its name.
    pub id: RequestId,
    /// What it came over.
    pub channel: Channel,
    /// From where, by the word of the parent's relay, which proves nothing; `None` if it gives none.
    pub source: Option<IpAddr>,
    /// Its method, target and headers.
    pub head: &'a Parts,
    /// Its body, whole.
    pub body: &'a [u8],
}

/// What a request came over, and its answer goes back by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// What the parent instance and the network can read.
    Plain,
    /// TLS that ends here, so that nobody between can.
    Tls(TlsDetails),
}

impl Channel {
    /// Whether nobody between the client and this process can read it.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// What was agreed on, as CloudTrail names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsDetails {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// As IANA names it, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
}
