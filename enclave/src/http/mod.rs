//! HTTP/1.1, within bounds: every connection, header, body and wait has one.

mod admin;
mod answer;
mod body;
mod caught;
mod connection;
mod content;
mod entrance;
mod http1;
mod metered;
mod rarely;
mod server;
mod timer;
mod write_deadline;

pub use answer::Answer;
pub use connection::Server;
pub use content::Content;
pub use entrance::Entrance;
pub use server::{listen_and_serve, serve};
