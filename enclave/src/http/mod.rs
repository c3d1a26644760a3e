//! HTTP/1.1, within bounds: every connection, header, body and wait has one.

mod admin;
mod answer;
mod application;
mod body;
mod connection;
mod content;
mod entrance;
mod error;
mod http1;
mod metered;
mod metrics;
mod negotiate;
mod server;
mod timer;
mod write_deadline;

pub use answer::Answer;
pub use application::Application;
pub use connection::Server;
pub use content::Content;
pub use entrance::Entrance;
pub use error::HttpError;
pub use metrics::ConnectionMetrics;
pub(crate) use negotiate::document_answer;
pub use server::{Listeners, listen_and_serve, serve};
