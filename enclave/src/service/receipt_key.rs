//! The generation of the receipt key.

use std::io;
use std::sync::Arc;
use std::thread;

use attestation::crypto::Es256Key;

use super::start_error::StartError;
use crate::nsm::NsmHandle;
use crate::platform::{Platform, mix_into_random_pool};

/// Generates the receipt key, after random bytes of the NSM were mixed into the kernel's random pool.
///
/// The key exists as long as this process, and never leaves it.
pub(super) async fn generate<P: Platform>(
    platform: &P,
    nsm: &NsmHandle,
) -> Result<Arc<Es256Key>, StartError> {
    if let Some(pool) = platform.random_pool() {
        let (first, second) = (nsm.block(nsm.deadline()).await?, nsm.block(nsm.deadline()).await?);
        mix_into_random_pool(pool, &[first, second])?;
    }
    // The crypto provider has one generator per thread. That of a new thread is seeded after the mix.
    let thread = thread::Builder::new().name("receipt-key".to_owned());
    let generated = thread.spawn(Es256Key::generate)?.join();
    let generated = generated.map_err(|_| io::Error::other("the thread receipt-key panicked"))?;
    Ok(generated.map(Arc::new)?)
}
