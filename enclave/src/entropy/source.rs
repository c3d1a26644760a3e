//! Draws random bytes: a fresh block of the NSM, a DRBG reseeded from it, and separate generates for
//! each thing that one answer needs.

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

/// Where random bytes come from.
#[derive(Debug)]
pub(crate) struct EntropySource {
    nsm: NsmHandle,
    pool: DrbgPool,
    reseed_policy: ReseedPolicy,
    /// Told whenever an instance was reseeded that others may use as well.
    reseeded: Notify,
    metrics: EntropyMetrics,
}

impl EntropySource {
    /// Instantiates `count` DRBGs, each from blocks of its own.
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

    /// What one answer needs, all or nothing.
    pub(crate) async fn draw(&self, request: DrawRequest) -> Result<Draw, EntropyFault> {
        self.draw_with(|instance| generate(instance, request)).await
    }

    /// What another source's bytes are sealed with.
    pub(crate) async fn draw_encryption(&self) -> Result<ContentEncryption, EntropyFault> {
        self.draw_with(generate_encryption).await
    }

    /// From an instance that is seeded as is configured.
    async fn draw_with<T>(&self, generate: impl Generate<T>) -> Result<T, EntropyFault> {
        let deadline = self.nsm.deadline();
        let drawn = match self.reseed_policy {
            ReseedPolicy::PerRequest => self.draw_reseeded(generate, deadline).await,
            ReseedPolicy::Interval { .. } => self.draw_shared(generate, deadline).await,
        };
        drawn.inspect_err(|fault| self.metrics.count_failure(fault))
    }

    /// From an instance that need not be reseeded yet. If there is none, whoever has a block first
    /// reseeds one for all who wait: each waits for a block and for somebody who has one, so that
    /// nobody holds up the others.
    async fn draw_shared<T>(
        &self,
        generate: impl Generate<T>,
        deadline: Deadline,
    ) -> Result<T, EntropyFault> {
        // It keeps its place in line whoever reseeds meanwhile.
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
                        // Both may have come about before this caller was looked at.
                        Err(fault) if fault.is_timeout() => {
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
        // Old state does not stand in for a source that fails; one that is slow does not fail.
        if let Some(fault) = self.nsm.fault().filter(|fault| !fault.is_timeout()) {
            return Err(fault.into());
        }
        let now = Instant::now();
        let seeded = |instance: &DrbgInstance| !self.reseed_policy.is_due(instance, now);
        let instance = self.pool.lock_where(seeded);
        instance.map(|mut instance| generate(&mut instance)).transpose()
    }

    /// From an instance that is reseeded first.
    async fn draw_reseeded<T>(
        &self,
        generate: impl Generate<T>,
        deadline: Deadline,
    ) -> Result<T, EntropyFault> {
        let block = self.nsm.block(deadline).await?;
        // From here on nothing is awaited: as many instances as threads are enough, and nobody can
        // leave one half-way.
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

    /// What a request would suffer from, as far as is known.
    pub(crate) fn fault(&self) -> Option<EntropyFault> {
        let nsm = self.nsm.fault().map(EntropyFault::from);
        nsm.or_else(|| self.pool.check().and_then(|()| check_system()).err())
    }

    /// The way to the NSM.
    pub(crate) fn nsm(&self) -> &NsmHandle {
        &self.nsm
    }
}

/// What is drawn from an instance, by generates of its own.
trait Generate<T>: Fn(&mut DrbgInstance) -> Result<T, EntropyFault> + Copy {}

impl<T, F: Fn(&mut DrbgInstance) -> Result<T, EntropyFault> + Copy> Generate<T> for F {}

/// Separate generates for the answer, the content key, the IV and the seed: none can be computed
/// from another.
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
