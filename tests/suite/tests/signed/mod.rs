//! Real clients that sign, in front of a service that looks at signatures and policies:
//! `tests/suite/sigv4/config.toml`. What became of each attempt, its audit trail tells.

mod accepted;
mod guarded;
mod party;
mod refused;
mod skewed;
mod tampered;
