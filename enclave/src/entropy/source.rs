//! Draws random bytes: a fresh block of the NSM, a DRBG reseeded from it, and separate generates for
//! each thing that one answer needs.

use std::pin::pin;
use std::sync::Mutex;
use std::time::Instant;

use attestation::cms::ContentEncryption;
use tokio::select;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::drawn::{Drawn, RandomBytes, Wanted};
use super::fault::EntropyFault;
use super::instances::{Instance, Instances, check_system};
use super::known_answers::Passed;
use super::metrics::EntropyMetrics;
use super::settings::PredictionResistance;
use crate::clock::Deadline;
use crate::nsm::NsmThread;

/// Where random bytes come from.
#[derive(Debug)]
pub(crate) struct Entropy {
    nsm: NsmThread,
    instances: Instances,
    prediction_resistance: PredictionResistance,
    /// Told whenever an instance was reseeded that others may use as well.
    reseeded: Notify,
    metrics: EntropyMetrics,
}

impl Entropy {
    /// Instantiates `count` DRBGs, each from blocks of its own.
    pub(crate) async fn instantiate(
        _: Passed,
        nsm: NsmThread,
        count: usize,
        prediction_resistance: PredictionResistance,
        metrics: EntropyMetrics,
    ) -> Result<Self, EntropyFault> {
        let mut instances = Vec::with_capacity(count);
        for _ in 0..count {
            let (entropy_input, nonce) =
                (nsm.block(nsm.deadline()).await?, nsm.block(nsm.deadline()).await?);
            instances.push(Mutex::new(Instance::instantiate(&entropy_input, &nonce)?));
        }
        let (instances, reseeded) = (Instances::new(instances), Notify::new());
        Ok(Self { nsm, instances, prediction_resistance, reseeded, metrics })
    }

    /// What one answer needs, all or nothing.
    pub(crate) async fn draw(&self, wanted: Wanted) -> Result<Drawn, EntropyFault> {
        self.take(|instance| generate(instance, wanted)).await
    }

    /// What another source's bytes are sealed with.
    pub(crate) async fn draw_encryption(&self) -> Result<ContentEncryption, EntropyFault> {
        self.take(generate_encryption).await
    }

    /// From an instance that is seeded as is configured.
    async fn take<T>(&self, generate: impl Generate<T>) -> Result<T, EntropyFault> {
        let deadline = self.nsm.deadline();
        let taken = match self.prediction_resistance {
            PredictionResistance::Request => self.take_fresh(generate, deadline).await,
            PredictionResistance::Interval { .. } => self.take_shared(generate, deadline).await,
        };
        taken.inspect_err(|fault| self.metrics.count_failure(fault))
    }

    /// From an instance that need not be reseeded yet. If there is none, whoever has a block first
    /// reseeds one for all who wait: each waits for a block and for somebody who has one, so that
    /// nobody holds up the others.
    async fn take_shared<T>(
        &self,
        generate: impl Generate<T>,
        deadline: Deadline,
    ) -> Result<T, EntropyFault> {
        // It keeps its place in line whoever reseeds meanwhile.
        let mut fresh = pin!(self.take_fresh(generate, deadline));
        loop {
            let reseeded = self.reseeded.notified();
            if let Some(taken) = self.take_seeded(generate)? {
                return Ok(taken);
            }
            select! {
                biased;
                taken = &mut fresh => {
                    return match taken {
                        // Both may have come about before this caller was looked at.
                        Err(fault) if fault.is_timeout() => {
                            self.take_seeded(generate)?.ok_or(fault)
                        }
                        taken => taken,
                    };
                }
                () = reseeded => {}
            }
        }
    }

    fn take_seeded<T>(&self, generate: impl Generate<T>) -> Result<Option<T>, EntropyFault> {
        // Old state does not stand in for a source that fails; one that is slow does not fail.
        if let Some(fault) = self.nsm.fault().filter(|fault| !fault.is_timeout()) {
            return Err(fault.into());
        }
        let now = Instant::now();
        let seeded = |instance: &Instance| !self.prediction_resistance.is_due(instance, now);
        let instance = self.instances.find(seeded);
        instance.map(|mut instance| generate(&mut instance)).transpose()
    }

    /// From an instance that is reseeded first.
    async fn take_fresh<T>(
        &self,
        generate: impl Generate<T>,
        deadline: Deadline,
    ) -> Result<T, EntropyFault> {
        let block = self.nsm.block(deadline).await?;
        // From here on nothing is awaited: as many instances as threads are enough, and nobody can
        // leave one half-way.
        let now = Instant::now();
        let due = |instance: &Instance| self.prediction_resistance.is_due(instance, now);
        let mut instance = self.instances.find(due).map_or_else(|| self.instances.any(), Ok)?;
        instance.reseed(block, now)?;
        self.metrics.reseeds.inc();
        let taken = generate(&mut instance);
        let serves_others = !due(&instance);
        drop(instance);
        if serves_others {
            self.reseeded.notify_waiters();
        }
        taken
    }

    /// What a request would suffer from, as far as is known.
    pub(crate) fn fault(&self) -> Option<EntropyFault> {
        let nsm = self.nsm.fault().map(EntropyFault::from);
        nsm.or_else(|| self.instances.check().and_then(|()| check_system()).err())
    }

    /// The way to the NSM.
    pub(crate) fn nsm(&self) -> &NsmThread {
        &self.nsm
    }
}

impl PredictionResistance {
    /// Whether an instance must be reseeded before it generates anything.
    fn is_due(self, instance: &Instance, now: Instant) -> bool {
        match self {
            Self::Request => true,
            Self::Interval { requests, period } => instance.is_due(requests, period, now),
        }
    }
}

/// What is taken from an instance, by generates of its own.
trait Generate<T>: Fn(&mut Instance) -> Result<T, EntropyFault> + Copy {}

impl<T, F: Fn(&mut Instance) -> Result<T, EntropyFault> + Copy> Generate<T> for F {}

/// Separate generates for the answer, the content key, the IV and the seed: none can be computed
/// from another.
fn generate(instance: &mut Instance, wanted: Wanted) -> Result<Drawn, EntropyFault> {
    let Wanted { number_of_bytes, sealed } = wanted;
    let mut random = Zeroizing::new(vec![0; number_of_bytes]);
    instance.generate(&mut random)?;
    let encryption = match sealed {
        true => Some(generate_encryption(instance)?),
        false => None,
    };
    Ok(Drawn { random: RandomBytes::new(random), encryption })
}

fn generate_encryption(instance: &mut Instance) -> Result<ContentEncryption, EntropyFault> {
    Ok(ContentEncryption::draw(|part| instance.generate(part))?)
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
