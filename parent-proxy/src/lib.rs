//! The relay on the parent instance: relays client connections to enclaves.
//!
//! The relay is untrusted. It sees bytes, and can drop or delay them. It links no TLS and no verifier, and
//! does not parse client bytes. It uses HTTP only for its own requests to enclaves (`health_probe`) and for
//! its admin endpoint (`admin`). It decides which enclave gets a connection, for how long, and how many
//! connections are open. Memory is bounded in each direction, and an idle connection holds no buffer.
//!
//! # Modules
//!
//! Accepting: `relay` accepts connections, assigns them to threads and drains them. `peer_policy` decides
//! which peers may connect, within the limits of `limiter`. `worker` is a thread besides the first, and
//! `connections` holds the connections of one thread. `relay_context` and `timeouts` are shared by all connections
//! of a relay. `drain` ends the connections at shutdown.
//!
//! Relaying: `connection` relays one connection within its deadlines. `pump` relays its bytes, and
//! `half_pipe` those of one direction.
//!
//! Upstreams: `upstream_pool` holds the enclaves (`upstream`), and `upstream_selection` selects one for each
//! connection. `health_check` ejects enclaves that are not ready. `rejected_handshakes` finds enclaves whose TLS
//! certificate clients reject, from the counts in `recent_handshakes`.
//!
//! Other services: `config_server` serves the configuration to enclaves at boot. `log_receiver` receives
//! their log lines. `direct_listeners` lead to one enclave each. Each egress route is a relay of its own.
//! `metrics` encodes the counters of each subsystem, and `status` merges them with those of the enclaves
//! (`scrape`). `background_services` runs these, and `proxy` runs everything.
//!
//! Upgrades: `listeners` holds every listening socket. `upgrade` hands them over to a successor, in which
//! `upgrade_predecessor` receives them, by the protocol in `handover`.
//!
//! # Threads
//!
//! Each thread has its own runtime. The first thread accepts, and assigns each client to the thread with the
//! fewest connections, so relayed bytes never wake another thread. `make bench-peers` compares the relay with
//! the better of HAProxy and nginx with as many threads. On two shared processors, the medians of the ratios
//! are:
//!
//! | | requests/s at 1, 32, 256 connections | processor time per request at 32 | connections/s |
//! |---|---|---|---|
//! | one runtime whose threads share all tasks (earlier design) | 0.97, 0.90, 0.68 | 1.16 | 0.93 |
//! | every thread accepts from the one listener (earlier design) | 0.97, 0.99, 0.93 | 1.12 | 0.98 |
//! | this design | 0.96, 1.07, 1.05 | 0.98 | 0.90 to 1.04, depending on the run |
//!
//! With the second design, one thread got all of 32 clients that connected at once. The second and third
//! design poll timers and the close policy only when they may have fired, set TCP_NODELAY on the listener
//! only, and leave the last shutdown(2) to the close. An idle connection uses 2.3 KB of resident memory, in
//! HAProxy 3.4 KB.
//!
//! More than half of the time is spent in send(2), a seventh in code of the relay and its runtime. A request
//! costs one recv(2) and one send(2) in each direction, as in HAProxy and nginx. splice(2) is not used: it
//! needs two pipes, so four more descriptors per connection, and it has no zero-copy for vsock.

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
