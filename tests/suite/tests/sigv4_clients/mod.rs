//! Real clients that sign, in front of a service that looks at signatures and policies:
//! `tests/suite/sigv4/config.toml`. What became of each attempt, its audit trail tells.

mod accepted;
mod client;
mod clock_skew;
mod rejected;
mod sigv4_service;
mod tampering;
