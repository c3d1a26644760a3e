//! Selects the server certificate of a handshake, and renews it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use attestation::time::UnixMillis;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::authority::{Authority, AuthorityError, IssuedCertificate};
use super::trusted_time::TimeSource;

/// A resolver that returns a server certificate of its own authority. The first handshake after `renew_at` renews the
/// certificate, for the same key. The renewal does not affect open connections.
pub(super) struct RenewingCertResolver {
    authority: Authority,
    now: TimeSource,
    current: Mutex<IssuedCertificate>,
}

impl RenewingCertResolver {
    pub(super) fn start(names: &[ServerName<'_>], now: TimeSource) -> Result<Self, AuthorityError> {
        let started_at = now();
        let authority = Authority::generate(names, started_at)?;
        let current = Mutex::new(authority.issue(started_at)?);
        Ok(Self { authority, now, current })
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the current certificate, renewed if necessary.
    fn current(&self) -> Arc<CertifiedKey> {
        let now = (self.now)();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_current(&current, now) {
            match self.authority.issue(now) {
                Ok(issued) => {
                    tracing::info!(not_after = %issued.not_after, "TLS certificate renewed");
                    *current = issued;
                }
                // The next handshake tries the renewal again. Until then, clients receive the old certificate.
                Err(error) => tracing::error!(%error, "cannot renew the TLS certificate"),
            }
        }
        Arc::clone(&current.certified)
    }
}

/// Returns whether `issued` needs no renewal at `now`. If the clock was set back, the certificate may not be
/// valid yet. The certificate then also needs a renewal.
fn is_current(issued: &IssuedCertificate, now: UnixMillis) -> bool {
    (issued.not_before..issued.renew_at).contains(&now)
}

impl ResolvesServerCert for RenewingCertResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for RenewingCertResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RenewingCertResolver").field(&self.authority).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use attestation::tls::verify_chain;
    use rustls::pki_types::CertificateDer;

    use super::*;

    const START: u64 = 1_790_000_000;
    const HOUR: u64 = 60 * 60;

    #[test]
    fn renews_certificate_and_keeps_the_authority() {
        let clock = Arc::new(AtomicU64::new(START));
        let now: TimeSource = {
            let clock = Arc::clone(&clock);
            Arc::new(move || UnixMillis::from_secs(clock.load(Ordering::Relaxed)))
        };
        let names = [ServerName::try_from("localhost").unwrap()];
        let resolver = RenewingCertResolver::start(&names, now).unwrap();
        let digest = resolver.authority().key_digest();
        // Returns the certificate that a client receives `after` seconds.
        let seen = |after: u64| -> CertificateDer<'static> {
            clock.store(START + after, Ordering::Relaxed);
            let chain = resolver.current().cert.clone();
            let at = UnixMillis::from_secs(START + after);
            let authority = verify_chain(&chain, &digest, at).unwrap();
            assert_eq!(&authority, resolver.authority().certificate());
            chain[0].clone()
        };
        let first = seen(0);
        assert_eq!(seen(12 * HOUR - 1), first);
        let second = seen(12 * HOUR);
        assert_ne!(second, first);
        assert_eq!(seen(13 * HOUR), second);
        // After years without a handshake.
        let third = seen(10_000 * HOUR);
        assert_ne!(third, second);
        // The clock is set back to before the third certificate is valid.
        assert_ne!(seen(24 * HOUR), third);
    }
}
