//! The HTTP/1.1 server. There are limits on the number of connections, on the lengths of headers and bodies,
//! and on each wait.

mod admin;
mod application;
mod body;
mod connection;
mod counting_stream;
mod document_response;
mod drain;
mod error;
mod http1;
mod metrics;
mod peer_policy;
mod response;
mod server;
mod timeouts;
mod zeroizing_body;

pub use application::Application;
pub use connection::Server;
pub(crate) use document_response::document_response;
pub use error::HttpError;
pub use metrics::ConnectionMetrics;
pub use peer_policy::PeerPolicy;
pub use response::Response;
pub use server::{Listeners, listen_and_serve, serve};
pub use zeroizing_body::ZeroizingBody;
