//! A request as it was received.

use std::net::IpAddr;

use hyper::http::request::Parts;

use super::{ConnectionKey, RequestId, TransportSecurity};

/// A request, and how it came.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// Its name.
    pub id: RequestId,
    /// The connection that it came on.
    pub connection: ConnectionKey,
    /// What it came over.
    pub transport_security: TransportSecurity,
    /// From where, by the word of the parent's relay, which proves nothing; `None` if it gives none.
    pub client_addr: Option<IpAddr>,
    /// Its method, target and headers.
    pub head: &'a Parts,
    /// Its body, whole.
    pub body: &'a [u8],
}
