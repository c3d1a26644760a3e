//! The bounds both sides of a connection keep to, in one place, with their units.

/// Open client connections at a time, by default: the same number on both sides of the relay, so
/// that neither admits what the other will not serve.
///
/// Far above what one enclave keeps busy; idle keep-alive clients are what it makes room for. A
/// connection costs the relay two file descriptors, so the default needs a limit (`ulimit -n`) above
/// 8,192.
pub const MAX_CONNECTIONS: usize = 4096;

/// Connections the kernel completes before the service accepts them.
///
/// This is the queue behind [`MAX_CONNECTIONS`]. Linux caps it at `net.core.somaxconn` (4,096 since
/// Linux 5.4).
pub const LISTEN_BACKLOG: u32 = 1024;
