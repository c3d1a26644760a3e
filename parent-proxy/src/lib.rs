//! The relay on the parent instance: relays client connections to enclaves.
//!
//! The relay is untrusted: it can read, drop or delay the bytes that it relays. It links neither a TLS
//! library nor the verifier of attestation documents, and it does not parse client bytes. It uses HTTP only
//! for its own requests to enclaves (`health_probe`) and for its admin endpoint (`admin`). It decides which
//! enclave gets a connection, for how long, and how many connections are open. Memory is bounded in each
//! direction, and an idle connection holds no buffer.
//!
//! # Modules
//!
//! Accepting: `relay` accepts connections, assigns them to threads and drains them. `peer_policy` decides
//! which peers may connect, within the limits of `limiter`. `worker` is an additional relay thread, and
//! `connections` holds the connections of one thread. `relay_context` and `timeouts` are shared by all
//! connections of a relay. `drain` ends the connections at shutdown.
//!
//! Relaying: `connection` relays one connection within its deadlines. `pump` relays the bytes of the
//! connection, and `half_pipe` the bytes of one direction.
//!
//! Upstreams: `upstream_pool` holds the enclaves (`upstream`), and `upstream_selection` selects one for each
//! connection. `health_check` ejects enclaves that are not ready. `rejected_handshakes` finds enclaves whose TLS
//! certificate clients reject, from the counts in `recent_handshakes`.
//!
//! Other services: `config_server` serves the configuration to enclaves at boot. `log_receiver` receives
//! their log lines. `direct_listeners` lead to one enclave each. Each egress route is a relay of its own.
//! `metrics` encodes the counters of each subsystem. `scrape` reads the metrics of the enclaves, and `status`
//! merges both. `background_services` runs these services, and `proxy` runs the whole process.
//!
//! Upgrades: `listeners` holds every listening socket. `upgrade` hands the sockets over to a successor. In
//! the successor, `upgrade_predecessor` receives them. `handover` contains the protocol.
//!
//! # Threads
//!
//! The first thread accepts, and assigns each client to the thread with the fewest connections. A client stays
//! on its thread, and each thread has its own runtime, so relayed bytes never wake another thread.
//! `make bench-peers` compares the relay with HAProxy and nginx, which have the same number of threads. The
//! table lists the relay's result divided by the better result of HAProxy and nginx. The values are medians on
//! two shared processors.
//!
//! | | requests/s at 1, 32, 256 connections | processor time per request at 32 | connections/s |
//! |---|---|---|---|
//! | one runtime whose threads share all tasks (earlier design) | 0.97, 0.90, 0.68 | 1.16 | 0.93 |
//! | every thread accepts from the one listener (earlier design) | 0.97, 0.99, 0.93 | 1.12 | 0.98 |
//! | this design | 0.96, 1.07, 1.05 | 0.98 | 0.90 to 1.04, depending on the run |
//!
//! With the second design, one thread accepted all of 32 clients that connected at once. The second and the
//! third design also have these optimizations:
//!
//! - They poll timers and the close policy only when these may have fired.
//! - They set TCP_NODELAY on the listener only.
//! - They replace the last shutdown(2) of a connection by its close.
//!
//! An idle connection uses 2.3 KB of resident memory. An idle connection of HAProxy uses 3.4 KB.
//!
//! More than half of the processor time is spent in send(2), and a seventh in the code of the relay and its
//! runtime. A request costs one recv(2) and one send(2) in each direction, as in HAProxy and nginx. splice(2)
//! is not used for two reasons: it needs two pipes (four more descriptors) per connection, and it copies the
//! bytes of a vsock.

mod activity;
mod admin;
mod background_services;
mod config;
mod config_server;
mod connection;
mod connections;
mod decaying_count;
mod descriptors;
mod direct_listeners;
mod drain;
mod half_pipe;
mod handover;
mod health_check;
mod health_probe;
mod limiter;
mod listeners;
mod log_file;
mod log_receiver;
mod metrics;
mod peer_policy;
mod proxy;
mod pump;
mod recent_handshakes;
mod rejected_handshakes;
mod relay;
mod relay_context;
mod reload;
mod scrape;
mod single_flight;
mod status;
mod systemd;
mod timeouts;
mod upgrade;
mod upgrade_predecessor;
mod upstream;
mod upstream_pool;
mod upstream_selection;
mod worker;

pub use config::{
    ClientListener, Command, Config, ConfigArchive, ConfigError, Enclave, HealthChecks,
    InvalidEnclave, InvalidRoute, LogReceiverConfig, Route,
};
pub use descriptors::warn_of_few_descriptors;
pub use drain::DrainReport;
pub use proxy::{Proxy, StartError};
pub use relay::Relay;
