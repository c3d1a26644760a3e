//! The entropy source. By default, each draw reseeds a DRBG instance from a fresh block of the NSM. A draw
//! generates each part of a response separately.

use std::pin::pin;
use std::sync::Mutex;
use std::time::Instant;

use attestation::cms::ContentEncryption;
use tokio::select;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::draw::{Draw, DrawRequest, RandomBytes};
use super::drbg_pool::{DrbgInstance, DrbgPool, check_system};
use super::fault::EntropyFault;
use super::known_answers::SelfTestPassed;
use super::metrics::EntropyMetrics;
use super::reseed::ReseedPolicy;
use crate::clock::Deadline;
use crate::nsm::NsmHandle;

/// A source of random bytes: the NSM and a pool of DRBG instances.
#[derive(Debug)]
pub(crate) struct EntropySource {
    nsm: NsmHandle,
    pool: DrbgPool,
    reseed_policy: ReseedPolicy,
    /// Notified after a reseed, if other callers may also use the reseeded instance.
    reseeded: Notify,
    metrics: EntropyMetrics,
}

impl EntropySource {
    /// Instantiates `count` DRBGs, each from two fresh blocks.
    pub(crate) async fn instantiate(
        _: SelfTestPassed,
        nsm: NsmHandle,
        count: usize,
        reseed_policy: ReseedPolicy,
        metrics: EntropyMetrics,
    ) -> Result<Self, EntropyFault> {
        let mut instances = Vec::with_capacity(count);
        for _ in 0..count {
            let (entropy_input, nonce) =
                (nsm.block(nsm.deadline()).await?, nsm.block(nsm.deadline()).await?);
            instances.push(Mutex::new(DrbgInstance::instantiate(&entropy_input, &nonce)?));
        }
        let (pool, reseeded) = (DrbgPool::new(instances), Notify::new());
        Ok(Self { nsm, pool, reseed_policy, reseeded, metrics })
    }

    /// Draws all random bytes for one response.
    pub(crate) async fn draw(&self, request: DrawRequest) -> Result<Draw, EntropyFault> {
        self.draw_with(|instance| generate(instance, request)).await
    }

    /// Draws the content key, the IV and the OAEP seed that seal random bytes of another source, such as an
    /// HSM.
    pub(crate) async fn draw_encryption(&self) -> Result<ContentEncryption, EntropyFault> {
        self.draw_with(generate_encryption).await
    }

    /// Generates bytes from an instance that is seeded as the reseed policy requires.
    async fn draw_with<T>(&self, generate: impl Generate<T>) -> Result<T, EntropyFault> {
        let deadline = self.nsm.deadline();
        let drawn = match self.reseed_policy {
            ReseedPolicy::PerRequest => self.draw_reseeded(generate, deadline).await,
            ReseedPolicy::Interval { .. } => self.draw_shared(generate, deadline).await,
        };
        drawn.inspect_err(|fault| self.metrics.count_failure(fault))
    }

    /// Generates bytes from an instance that needs no reseed.
    ///
    /// If all instances need a reseed, each caller waits for the first of two events: its own block
    /// arrives, or another caller reseeds an instance. The first caller that receives a block reseeds an
    /// instance, and the other callers use that instance.
    async fn draw_shared<T>(
        &self,
        generate: impl Generate<T>,
        deadline: Deadline,
    ) -> Result<T, EntropyFault> {
        // The loop reuses this future, so the caller keeps its place in the queue when another caller
        // reseeds.
        let mut own_draw = pin!(self.draw_reseeded(generate, deadline));
        loop {
            let reseeded = self.reseeded.notified();
            if let Some(drawn) = self.try_draw_seeded(generate)? {
                return Ok(drawn);
            }
            select! {
                biased;
                drawn = &mut own_draw => {
                    return match drawn {
                        // Another caller may have reseeded an instance at the moment of the timeout.
                        Err(fault) if fault.is_dependency_timeout() => {
                            self.try_draw_seeded(generate)?.ok_or(fault)
                        }
                        drawn => drawn,
                    };
                }
                () = reseeded => {}
            }
        }
    }

    fn try_draw_seeded<T>(&self, generate: impl Generate<T>) -> Result<Option<T>, EntropyFault> {
        // While the NSM has a fault, requests fail even if an instance needs no reseed. A slow NSM is not a
        // fault here.
        if let Some(fault) = self.nsm.fault().filter(|fault| !fault.is_dependency_timeout()) {
            return Err(fault.into());
        }
        let now = Instant::now();
        let seeded = |instance: &DrbgInstance| !self.reseed_policy.is_due(instance, now);
        let instance = self.pool.lock_where(seeded);
        instance.map(|mut instance| generate(&mut instance)).transpose()
    }

    /// Reseeds an instance and generates from it.
    async fn draw_reseeded<T>(
        &self,
        generate: impl Generate<T>,
        deadline: Deadline,
    ) -> Result<T, EntropyFault> {
        let block = self.nsm.block(deadline).await?;
        // The code below contains no await. Each thread therefore uses at most one instance at a time, and the
        // pool needs only one instance per thread. Also, a cancelled request cannot leave an instance
        // inconsistent.
        let now = Instant::now();
        let due = |instance: &DrbgInstance| self.reseed_policy.is_due(instance, now);
        let mut instance = self.pool.lock_where(due).map_or_else(|| self.pool.lock_any(), Ok)?;
        instance.reseed(block, now)?;
        self.metrics.reseeds.inc();
        let drawn = generate(&mut instance);
        let serves_others = !due(&instance);
        drop(instance);
        if serves_others {
            self.reseeded.notify_waiters();
        }
        drawn
    }

    /// Returns the fault with which a draw would fail now.
    pub(crate) fn fault(&self) -> Option<EntropyFault> {
        let nsm = self.nsm.fault().map(EntropyFault::from);
        nsm.or_else(|| self.pool.check().and_then(|()| check_system()).err())
    }

    /// Returns the handle to the NSM.
    pub(crate) fn nsm(&self) -> &NsmHandle {
        &self.nsm
    }
}

/// A function that generates bytes from an instance.
trait Generate<T>: Fn(&mut DrbgInstance) -> Result<T, EntropyFault> + Copy {}

impl<T, F: Fn(&mut DrbgInstance) -> Result<T, EntropyFault> + Copy> Generate<T> for F {}

/// Generates the random bytes, the content key, the IV and the OAEP seed by separate generate calls. So no
/// part reveals another part.
fn generate(instance: &mut DrbgInstance, request: DrawRequest) -> Result<Draw, EntropyFault> {
    let DrawRequest { number_of_bytes, sealed } = request;
    let mut random = Zeroizing::new(vec![0; number_of_bytes]);
    instance.generate(&mut random)?;
    let encryption = match sealed {
        true => Some(generate_encryption(instance)?),
        false => None,
    };
    Ok(Draw { random: RandomBytes::new(random), encryption })
}

fn generate_encryption(instance: &mut DrbgInstance) -> Result<ContentEncryption, EntropyFault> {
    Ok(ContentEncryption::draw(|part| instance.generate(part))?)
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
