//! Limits of the enclave and of the relay, with their units.

use std::time::Duration;

/// Maximum number of concurrent TLS handshakes. Further clients wait.
///
/// With a network round trip of 200 ms, this limit allows about 1,000 handshakes per second. That is the
/// capacity of two processors.
pub const MAX_HANDSHAKES: usize = 512;

/// Maximum duration of a TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum duration of a TLS handshake while other clients wait to start one. This time suffices for several
/// round trips around the world.
pub const HANDSHAKE_TIMEOUT_WHEN_FULL: Duration = Duration::from_secs(1);

/// Maximum number of open connections to the admin listener.
///
/// Monitoring needs few connections. These connections have their own limit, so that clients cannot use all
/// of them.
pub const MAX_ADMIN_CONNECTIONS: usize = 64;

/// Default maximum number of open client connections.
///
/// The enclave and the relay have the same limit, so neither accepts connections that the other rejects. Most
/// of these connections are idle keep-alive connections: an enclave needs far fewer busy connections. A
/// connection uses two file descriptors of the relay, so the default requires a limit (`ulimit -n`) above
/// 8,192.
pub const MAX_CONNECTIONS: usize = 4096;

/// Maximum number of connections that the kernel completes before the service accepts them.
///
/// The value is the maximum of Linux, which limits the queue to `net.core.somaxconn` (4,096 since Linux
/// 5.4). If the queue is full, the kernel drops a client's SYN, and the client tries again after a second.
pub const LISTEN_BACKLOG: u32 = 4096;

/// Maximum length of one write to a vsock, multiplexed or not, in bytes.
///
/// A longer write of a guest stalls its connection under vhost-device-vsock 0.3. Responses to
/// GenerateRandom are far shorter.
pub const MAX_VSOCK_WRITE: usize = 32 * 1024;

/// Maximum duration of reading a request's header on the admin listener.
///
/// The time is short, because idle connections could otherwise use all [`MAX_ADMIN_CONNECTIONS`].
pub const ADMIN_HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum length of a request's body, in bytes.
///
/// The limit is one and a half times the base64 length of the API's longest document (262,144 bytes).
pub const MAX_BODY_LENGTH: usize = 512 * 1024;

/// Maximum length of a body that does not count toward [`LARGE_BODIES_LENGTH`], in bytes.
///
/// The limit is longer than a request with the longest acceptable document (16 KiB, 21,848 bytes in base64).
pub const SMALL_BODY_LENGTH: usize = 24 * 1024;

/// Maximum total length of concurrent bodies that are longer than [`SMALL_BODY_LENGTH`], in bytes.
///
/// Such bodies are read only to reject them with the right message.
pub const LARGE_BODIES_LENGTH: usize = 8 * 1024 * 1024;

/// Maximum number of bytes of an oversized body that are read and discarded, so that the client receives the
/// response.
pub const BODY_DISCARD_LENGTH: usize = 4 * 1024 * 1024;

/// Maximum time for which a client may leave a response unread.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of a request's header fields, which is hyper's default. SDKs send about 15.
pub const MAX_HEADERS: usize = 100;

/// Maximum length of a request's header, in bytes. SDKs send about 1,000.
pub const MAX_HEADER_LENGTH: usize = 16 * 1024;

/// Maximum time for which a process waits at its end until log lines and audit records are written.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of concurrent requests with a Recipient per cryptography thread.
///
/// Verifying a document without a cache hit takes over a millisecond, so the last of 256 requests waits for a
/// third of a second.
pub const REQUESTS_PER_CRYPTO_THREAD: usize = 256;
