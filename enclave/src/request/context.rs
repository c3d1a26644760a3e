//! The context of a request.

use std::net::IpAddr;

use hyper::http::request::Parts;

use super::{ConnectionKey, RequestId, TransportSecurity};

/// A request with its context.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// The identifier of the request.
    pub id: RequestId,
    /// The connection of the request.
    pub connection: ConnectionKey,
    /// The protection of the connection by TLS.
    pub transport_security: TransportSecurity,
    /// The address of the client, as the relay reports it. The enclave cannot verify this address. `None` if the
    /// address is unknown.
    pub client_addr: Option<IpAddr>,
    /// The method, the target and the headers.
    pub head: &'a Parts,
    /// The complete body, or an empty slice if the body was not read.
    pub body: &'a [u8],
}
