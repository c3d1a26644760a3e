//! Relays client TCP to the enclave. It is untrusted: it sees bytes, and can drop or delay them.
//!
//! Bytes pass unread: no TLS and no verifier is linked here, and of HTTP only what asks enclaves how they
//! are (`ask`) and answers who watches the relay (`admin`). What the relay does decide is where to, how
//! long and how many: every connection goes to the enclave that has fewest (`pool`, `upstream`, `balance`), and
//! has deadlines ([`Config`]); memory is bounded in each direction, and an idle connection holds no buffer at
//! all.
//!
//! `relay` accepts connections, places them on threads and drains them. `peer_policy` says which peers may
//! connect, within the limits of `limiter`. `worker` is a thread beside the first, and `connections` are those of
//! one thread. `context` and `timeouts` are what all connections of a relay share. `connection` is one of them,
//! with its deadlines. `pump` moves its bytes, and `direction` those of one direction. `checks` finds out which
//! enclaves are ready, and `handshakes` which of them have a TLS certificate that clients reject
//! (`handshake_window` counts the handshakes of one enclave).
//!
//! The process also hands enclaves their configuration at boot (`handout`), receives their log lines
//! (`log_receiver`), lets them reach single hosts (a relay each), and has listeners that lead to one enclave
//! (`direct`). Each subsystem counts in a collector of its own, which `metrics` encodes. `status` shows them with
//! the metrics of the enclaves (`scrape`). `beside` runs these, and `proxy` is all of it.
//!
//! `listeners` knows every listening socket, so that `upgrade` can hand all of them to a successor, and
//! `predecessor` take them there, by what `handover` defines.
//!
//! # Threads
//! Each has a runtime of its own, and one of them accepts and gives a client to whichever has fewest:
//! nothing that is relayed wakes another thread. Measured with `make bench-peers` on two processors that
//! others used as well, against the better of HAProxy and nginx with as many threads, medians:
//!
//! | | requests/s at 1, 32, 256 connections | processor time a request at 32 | connections/s |
//! |---|---|---|---|
//! | one runtime whose threads share all tasks, as it was | 0.97, 0.90, 0.68 | 1.16 | 0.93 |
//! | every thread accepts from the one listener | 0.97, 0.99, 0.93 | 1.12 | 0.98 |
//! | as it is | 0.96, 1.07, 1.05 | 0.98 | 0.90 to 1.04, by the run |
//!
//! Where every thread accepts, one of them got all of 32 clients that came at once. Both newer rows ask
//! timer and drain only when they may have something to say, set TCP_NODELAY on the listener alone, and
//! leave the last shutdown(2) to the close. An idle connection is 2.3 KB resident; HAProxy's 3.4.
//!
//! More than half of the time is in send(2), a seventh in code of the relay and its runtime; system calls
//! for a request are one recv(2) and one send(2) each way, as the peers' are. splice(2) is not used: it
//! would take two pipes, so four descriptors more for each connection, and vsock has no zero-copy for it.

mod activity;
mod admin;
mod config;
mod config_server;
mod connection;
mod connections;
mod context;
mod decaying_count;
mod descriptors;
mod direct_listeners;
mod drain;
mod half_pipe;
mod handover;
mod handshake_window;
mod handshakes;
mod health_check;
mod health_probe;
mod limiter;
mod listeners;
mod log_file;
mod log_receiver;
mod metrics;
mod peer_policy;
mod pool;
mod predecessor;
mod proxy;
mod pump;
mod relay;
mod reload;
mod scrape;
mod services;
mod single_flight;
mod status;
mod systemd;
mod timeouts;
mod upgrade;
mod upstream;
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
