//! TLS that ends here, so that nobody between a client and this process reads what they say.
//!
//! The keys of its certificates are born here and never leave, unless the configuration brings them.
//! Session tickets are sealed under keys of the provider's, each for six hours, and opened for six
//! more by the system's clock. Nothing is accepted before a handshake has ended (no early data),
//! nothing renegotiates, and no key is logged.

mod authority;
mod cert_resolver;
mod certificate_key;
#[cfg(test)]
mod chain_tests;
mod handshake_limiter;
mod metrics;
mod private_key;
mod provider;
mod settings;
#[cfg(test)]
mod tests;
mod tls_stream;
mod trusted_time;

use std::fmt;
use std::sync::Arc;

use attestation::crypto::CryptoError;
use attestation::tls::CaBinding;
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
pub(crate) use self::private_key::{InvalidPrivateKey, private_key_from_pem};
use self::provider::tls_ticketer;
pub use self::provider::{generate_tls_key, load_tls_key, tls_provider};
pub use self::settings::TlsSettings;
pub(crate) use self::tls_stream::TlsStream;
use self::tls_stream::failure_counter;
use self::trusted_time::{TimeSource, TrustedTime};
use crate::request::{TlsDetails, TransportSecurity};

/// The one protocol that is spoken, also to who offers h2 before it.
const ALPN: &[u8] = b"http/1.1";

/// What TLS is served with.
pub struct Tls {
    acceptor: TlsAcceptor,
    handshakes: HandshakeLimiter,
    authority: Option<AttestedAuthority>,
    metrics: TlsMetrics,
}

/// What others must know of the authority that was born here.
#[derive(Debug)]
struct AttestedAuthority {
    binding: CaBinding,
    certificate_pem: String,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// No authority, or no certificate of it.
    #[error("cannot create a TLS certificate: {0}")]
    Authority(#[from] AuthorityError),
    /// No randomness.
    #[error("cannot create the keys of TLS session tickets: {0}")]
    Tickets(#[from] CryptoError),
    /// Not what rustls can serve with.
    #[error("cannot configure TLS: {0}")]
    Config(#[from] rustls::Error),
}

impl Tls {
    /// As `settings` ask for, by the time that `now` tells; `None` if they ask for none.
    ///
    /// # Errors
    /// If there is no randomness for its keys.
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
                // Whatever name a client asks for.
                let fixed = SingleCertAndKey::from(Arc::clone(certified));
                (config.with_cert_resolver(Arc::new(fixed)), None)
            }
            TlsSettings::Attested { names } => {
                let resolver = RenewingCertResolver::start(names, now)?;
                let authority = AttestedAuthority {
                    binding: resolver.authority().binding(),
                    certificate_pem: resolver.authority().certificate_pem(),
                };
                (config.with_cert_resolver(Arc::new(resolver)), Some(authority))
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ticketer = tls_ticketer()?;
        // Tickets carry the sessions: nothing is kept for clients that may not come back.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshakes: HandshakeLimiter::new(),
            authority,
            metrics,
        }))
    }

    /// What the enclave's own document says of this TLS, if its authority was born here.
    pub(crate) fn binding(&self) -> Option<CaBinding> {
        self.authority.as_ref().map(|authority| authority.binding)
    }

    /// The certificate of the authority that was born here, PEM.
    pub(crate) fn certificate_pem(&self) -> Option<&str> {
        self.authority.as_ref().map(|authority| authority.certificate_pem.as_str())
    }

    /// Performs the handshake with a client, within the limits. A failure is counted at once, a success
    /// by the stream, with the first byte that the client sends over it.
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

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("authority", &self.authority).finish_non_exhaustive()
    }
}

fn details(connection: &ServerConnection) -> TlsDetails {
    // After a handshake both are known.
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    TlsDetails {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        },
        cipher_suite: match suite {
            // IANA's names, which rustls gives a prefix of its own.
            Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => "TLS_AES_128_GCM_SHA256",
            Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => "TLS_AES_256_GCM_SHA384",
            Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) => "TLS_CHACHA20_POLY1305_SHA256",
            suite => suite.and_then(|suite| suite.as_str()).unwrap_or("unknown"),
        },
    }
}
