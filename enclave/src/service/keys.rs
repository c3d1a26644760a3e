//! The generation of the keys of this process: the receipt key, and the keys of TLS.

use std::io;
use std::sync::Arc;
use std::thread;

use attestation::crypto::Es256Key;

use super::start_error::StartError;
use crate::nsm::NsmHandle;
use crate::platform::{Platform, mix_into_random_pool};
use crate::tls::{Tls, TlsError};

/// The keys that exist as long as this process, and never leave it.
pub(super) struct Keys {
    /// The key that signs receipts and audit digests.
    pub(super) receipt_key: Arc<Es256Key>,
    /// TLS with its keys. `None` if TLS is off.
    pub(super) tls: Option<Tls>,
}

/// Generates the keys, after random bytes of the NSM were mixed into the kernel's random pool. `start_tls` generates
/// the keys of TLS.
pub(super) async fn generate<P: Platform>(
    platform: &P,
    nsm: &NsmHandle,
    start_tls: impl FnOnce() -> Result<Option<Tls>, TlsError> + Send,
) -> Result<Keys, StartError> {
    if let Some(pool) = platform.random_pool() {
        let (first, second) = (nsm.block(nsm.deadline()).await?, nsm.block(nsm.deadline()).await?);
        mix_into_random_pool(pool, &[first, second])?;
    }
    on_new_thread(|| Ok(Keys { receipt_key: Arc::new(Es256Key::generate()?), tls: start_tls()? }))?
}

/// Returns the result of `generate`, which runs on a new thread.
///
/// The crypto provider has one generator per thread, which takes bytes from the kernel at its first use. On a new thread,
/// these bytes follow the mix. The generator of the current thread may have been used before: the measurement of the
/// configuration draws a salt.
fn on_new_thread<T: Send>(generate: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("keys".to_owned());
        let generated = thread.spawn_scoped(scope, generate)?.join();
        generated.map_err(|_| io::Error::other("the thread keys panicked"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::test_platform::{self, TestPlatform};

    #[tokio::test]
    async fn all_keys_are_generated_on_a_new_thread() {
        let service = test_platform::service().await;
        let mut tls_thread = None;
        let start_tls = || {
            tls_thread = Some(thread::current().id());
            Ok(None)
        };
        let nsm = service.api.handler.entropy.nsm();
        generate(&TestPlatform, nsm, start_tls).await.unwrap();
        assert!(tls_thread.is_some_and(|thread| thread != thread::current().id()));
    }
}
