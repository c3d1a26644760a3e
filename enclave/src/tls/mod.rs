//! Terminates TLS in this process, so that the parent instance and the network cannot read requests and responses.
//!
//! This process generates the certificate keys, unless the configuration provides a key. Generated keys never
//! leave the process.
//!
//! The crypto provider generates the keys that encrypt session tickets. A ticket key encrypts new tickets for
//! six hours. Its tickets are accepted for six more hours. The system clock measures these times.
//!
//! There is no early data, no renegotiation and no key log.

mod authority;
mod cert_resolver;
mod certificate_key;
#[cfg(test)]
mod chain_tests;
mod handshake_limiter;
mod metrics;
mod mode;
mod private_key;
mod provider;
mod settings;
#[cfg(test)]
mod tests;
mod tls_stream;
mod trusted_time;

use std::fmt;
use std::sync::Arc;

use attestation::crypto::{CryptoError, SHA_256_LENGTH};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;
use rustls::{CipherSuite, ProtocolVersion, ServerConnection};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

pub use self::authority::{Authority, AuthorityError, IssuedCertificate};
use self::cert_resolver::RenewingCertResolver;
use self::handshake_limiter::{HandshakeError, HandshakeLimiter};
pub(crate) use self::metrics::TlsMetrics;
pub(crate) use self::mode::TlsMode;
pub(crate) use self::private_key::{InvalidPrivateKey, private_key_from_pem};
use self::provider::tls_ticketer;
pub use self::provider::{generate_tls_key, load_tls_key, tls_provider};
pub use self::settings::TlsSettings;
pub(crate) use self::tls_stream::TlsStream;
use self::tls_stream::failure_counter;
use self::trusted_time::{TimeSource, TrustedTime};
use crate::request::{TlsDetails, TransportSecurity};

/// The only ALPN protocol. The server selects this protocol even if the client prefers h2.
const ALPN: &[u8] = b"http/1.1";

/// The TLS server: its configuration, its limits and its metrics.
pub struct Tls {
    acceptor: TlsAcceptor,
    handshakes: HandshakeLimiter,
    authority: Option<AttestedAuthority>,
    metrics: TlsMetrics,
}

/// The certificate of the authority, and the digests of the attested keys.
#[derive(Debug)]
struct AttestedAuthority {
    certificate_pem: String,
    key_digests: TlsKeyDigests,
}

/// The SHA-256 digests of the SubjectPublicKeyInfos of the keys that were generated in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TlsKeyDigests {
    /// The digest of the server's key.
    pub(crate) server: [u8; SHA_256_LENGTH],
    /// The digest of the authority's key.
    pub(crate) authority: [u8; SHA_256_LENGTH],
}

/// The error for a TLS server that cannot start.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The authority or its first certificate cannot be created.
    #[error("cannot create a TLS certificate: {0}")]
    Authority(#[from] AuthorityError),
    /// The keys of session tickets cannot be generated.
    #[error("cannot create the keys of TLS session tickets: {0}")]
    Tickets(#[from] CryptoError),
    /// rustls rejects the configuration.
    #[error("cannot configure TLS: {0}")]
    Config(#[from] rustls::Error),
}

impl Tls {
    /// Creates the TLS server of `settings`, or `None` if TLS is off. `now` returns the current time.
    ///
    /// # Errors
    /// If keys or certificates cannot be generated, or rustls rejects the configuration.
    pub(crate) fn start(
        settings: &TlsSettings,
        now: TimeSource,
        metrics: TlsMetrics,
    ) -> Result<Option<Self>, TlsError> {
        let time = Arc::new(TrustedTime(Arc::clone(&now)));
        let config = ServerConfig::builder_with_details(tls_provider(), time)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth();
        let (mut config, authority) = match settings {
            TlsSettings::Off => return Ok(None),
            TlsSettings::Provided(certified) => {
                // This resolver returns the same certificate for every server name.
                let fixed = SingleCertAndKey::from(Arc::clone(certified));
                (config.with_cert_resolver(Arc::new(fixed)), None)
            }
            TlsSettings::Attested { names } => {
                let resolver = RenewingCertResolver::start(names, now)?;
                let authority = AttestedAuthority::of(resolver.authority());
                (config.with_cert_resolver(Arc::new(resolver)), Some(authority))
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ticketer = tls_ticketer()?;
        // Sessions are stored in tickets, so the server needs no memory per client.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshakes: HandshakeLimiter::new(),
            authority,
            metrics,
        }))
    }

    /// Returns the mode of TLS.
    pub(crate) fn mode(&self) -> TlsMode {
        match self.authority {
            Some(_) => TlsMode::Attested,
            None => TlsMode::Provided,
        }
    }

    /// Returns the digests of the keys, for the enclave's attestation document. Returns `None` for a provided key.
    pub(crate) fn key_digests(&self) -> Option<TlsKeyDigests> {
        self.authority.as_ref().map(|authority| authority.key_digests)
    }

    /// Returns the certificate of the authority in PEM. Returns `None` for a provided key.
    pub(crate) fn certificate_pem(&self) -> Option<&str> {
        self.authority.as_ref().map(|authority| authority.certificate_pem.as_str())
    }

    /// Performs the handshake with a client, within the limits. This function counts a failed handshake. The returned
    /// stream counts a successful handshake when the client sends the first byte.
    ///
    /// # Errors
    /// If the handshake fails or exceeds the limits.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<'_, S>, TransportSecurity), HandshakeError> {
        let metrics = &self.metrics;
        let accepted = self.handshakes.perform(|| self.acceptor.accept(stream)).await;
        let stream = accepted.inspect_err(|error| match error {
            HandshakeError::Failed(error) => drop(failure_counter(metrics, error).inc()),
            HandshakeError::TimedOut => drop(metrics.timed_out.inc()),
            HandshakeError::Evicted => drop(metrics.evicted.inc()),
        })?;
        let details = details(stream.get_ref().1);
        let transport_security = match &self.authority {
            Some(_) => TransportSecurity::AttestedTls(details),
            None => TransportSecurity::ProvidedTls(details),
        };
        let stream = TlsStream::new(stream, metrics);
        Ok((stream, transport_security))
    }
}

impl AttestedAuthority {
    fn of(authority: &Authority) -> Self {
        Self {
            certificate_pem: authority.certificate_pem(),
            key_digests: TlsKeyDigests {
                server: authority.server_key_digest(),
                authority: authority.key_digest(),
            },
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("authority", &self.authority).finish_non_exhaustive()
    }
}

fn details(connection: &ServerConnection) -> TlsDetails {
    // The protocol version and the cipher suite are known after a handshake.
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    TlsDetails {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        },
        cipher_suite: match suite {
            // These are the IANA names. The names in rustls have another prefix for TLS 1.3.
            Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => "TLS_AES_128_GCM_SHA256",
            Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => "TLS_AES_256_GCM_SHA384",
            Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) => "TLS_CHACHA20_POLY1305_SHA256",
            suite => suite.and_then(|suite| suite.as_str()).unwrap_or("unknown"),
        },
    }
}
