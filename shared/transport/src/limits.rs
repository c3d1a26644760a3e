//! The bounds both sides of a connection keep to, in one place, with their units.

use std::time::Duration;

/// TLS handshakes at a time; further clients wait.
///
/// Over 200 ms of network they are some 1,000 a second, which is what two processors compute.
pub const MAX_HANDSHAKES: usize = 512;

/// How long a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take while others wait for its place: several round trips around the world.
pub const HANDSHAKE_TIMEOUT_WHEN_FULL: Duration = Duration::from_secs(1);

/// Open connections of who watches the service at a time: they are few, and must get through when
/// clients are many.
pub const MAX_ADMIN_CONNECTIONS: usize = 64;

/// Open client connections at a time, by default: the same number on both sides of the relay, so
/// that neither admits what the other will not serve.
///
/// Far above what one enclave keeps busy; idle keep-alive clients are what it makes room for. A
/// connection costs the relay two file descriptors, so the default needs a limit (`ulimit -n`) above
/// 8,192.
pub const MAX_CONNECTIONS: usize = 4096;

/// Connections the kernel completes before the service accepts them.
///
/// This is the queue behind [`MAX_CONNECTIONS`], and as long as Linux allows: it caps the queue at
/// `net.core.somaxconn` (4,096 since Linux 5.4). Where it is full, the kernel drops a client's SYN, and
/// the client tries again after a second.
pub const LISTEN_BACKLOG: u32 = 4096;

/// Bytes of one write to a vsock, multiplexed or not.
///
/// A larger one from a guest stalls its connection under vhost-device-vsock 0.3. Whole answers to
/// GenerateRandom are far below it.
pub const MAX_VSOCK_WRITE: usize = 32 * 1024;

/// How long a request's header may take for who watches the service, all of whose connections somebody
/// could hold.
pub const ADMIN_HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a request's body: a document of the API's greatest length (262,144 bytes) in base64, and
/// half as much again.
pub const MAX_BODY_LENGTH: usize = 512 * 1024;

/// Bytes of a body that costs no share of [`LARGE_BODIES_LENGTH`]: more than a request with the
/// longest document that can be accepted (16 KiB, 21,848 bytes in base64).
pub const SMALL_BODY_LENGTH: usize = 24 * 1024;

/// Bytes of all bodies together that are longer than [`SMALL_BODY_LENGTH`]. They are only read to be
/// refused with the right message.
pub const LARGE_BODIES_LENGTH: usize = 8 * 1024 * 1024;

/// Bytes of a body over the cap that are read and dropped, so that the client sees the answer.
pub const BODY_DISCARD_LENGTH: usize = 4 * 1024 * 1024;

/// How long a client may leave an answer unread.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Header fields of a request, which is hyper's own limit; SDKs send about 15.
pub const MAX_HEADERS: usize = 100;

/// Bytes of a request's header; SDKs send about 1,000.
pub const MAX_HEADER_LENGTH: usize = 16 * 1024;

/// How long a process waits at its end for what it has logged and recorded to be written.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Requests with a Recipient that are with one of the threads that verify, at a time. A document of which
/// nothing is known takes over a millisecond, so that the last of them waits for a third of a second.
pub const REQUESTS_PER_CRYPTO_THREAD: usize = 256;
