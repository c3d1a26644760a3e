//! What the thread does, from the boot to the end.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nsm_device::Nsm;

use super::device::Device;
use super::fault::NsmFault;
use super::metrics::NsmMetrics;
use super::queue::Work;
use super::task::{NsmQueue, Task};
use crate::clock::{Clock, PauseDetector, SyncError, SyncReport, TrustedClock};
use crate::config_pcrs::{CONFIGURATION_PCR, ConfigDigests, SECRETS_PCR};
use crate::health::START_UP_BLOCKS;

/// After how long the thread sees whether a device that failed works again, unless somebody asks for
/// a block before.
const REFILL_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long after it could not be anchored the clock is to be tried again.
const SYNC_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often the thread looks whether the clock is to be anchored early, as it is after a pause. A pause lasts
/// longer, so that the thread looks as soon as it is over.
const SYNC_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How often in a row an anchoring is tried again because this process was paused in the middle.
const MAX_PAUSED_SYNCS: u8 = 3;

/// What must work before anybody is served: the module's time, its measurement, its entropy. The
/// blocks that are tested here are not used. Last comes what cannot be undone: the configuration is
/// measured.
pub(super) fn start_up<N: Nsm, C: Clock>(
    device: &mut Device<N>,
    clock: C,
    measurement: Option<ConfigDigests>,
    metrics: &NsmMetrics,
    pauses: &'static PauseDetector,
) -> Result<(TrustedClock<C>, Vec<u8>), NsmFault> {
    let started = TrustedClock::start(clock, pauses, || device.time());
    let (clock, sync) = started.map_err(sync_fault)?;
    record_sync(sync, metrics);
    let pcr0 = device.pcr0()?;
    for _ in 0..START_UP_BLOCKS {
        device.block()?;
    }
    match measurement {
        Some(ConfigDigests { public, secrets }) => {
            device.measure(CONFIGURATION_PCR, public)?;
            device.measure(SECRETS_PCR, secrets)?;
        }
        // Zero then says that there is no configuration, for good.
        None => {
            device.lock(CONFIGURATION_PCR)?;
            device.lock(SECRETS_PCR)?;
        }
    }
    Ok((clock, pcr0))
}

fn sync_fault(error: SyncError<NsmFault>) -> NsmFault {
    match error {
        SyncError::Attest(fault) => fault,
        SyncError::Slow { .. } | SyncError::Paused => NsmFault::SlowTimestamp,
    }
}

/// Whatever the system's clock says, the NSM wins.
fn record_sync(sync: SyncReport, metrics: &NsmMetrics) {
    metrics.count_sync(&sync);
    if sync.exceeds_limit() {
        let offset_ms = sync.offset_ms;
        tracing::warn!(offset_ms, "the system clock differs from the NSM's time, which is used");
    }
}

/// Who keeps blocks ready and the clock anchored.
pub(super) struct NsmWorker<N, C: Clock> {
    device: Device<N>,
    queue: Arc<NsmQueue>,
    clock: Arc<TrustedClock<C>>,
    metrics: Arc<NsmMetrics>,
    /// What the device suffered from when last a block was asked of it.
    fault: Option<NsmFault>,
    /// Before that, blocks are fetched for those who wait alone.
    refill_at: Instant,
    /// Before that, the clock is not anchored even if it is due.
    sync_retry_at: Instant,
}

impl<N: Nsm, C: Clock> NsmWorker<N, C> {
    pub(super) fn new(
        device: Device<N>,
        queue: Arc<NsmQueue>,
        clock: Arc<TrustedClock<C>>,
        metrics: Arc<NsmMetrics>,
    ) -> Self {
        let now = Instant::now();
        Self { device, queue, clock, metrics, fault: None, refill_at: now, sync_retry_at: now }
    }

    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            let refill = self.refill_at <= now;
            let check_at = self.sync_at().min(now + SYNC_CHECK_INTERVAL);
            let tick = if refill { check_at } else { check_at.min(self.refill_at) };
            match self.queue.next_work(tick, refill) {
                Work::FetchBlock => self.fetch(),
                Work::Task(task) => self.attest(task),
                Work::Tick if self.sync_at() <= Instant::now() => self.synchronize(),
                Work::Tick => {}
                Work::Stop => return,
            }
        }
    }

    /// When the clock is to be anchored.
    pub(super) fn sync_at(&self) -> Instant {
        self.clock.sync_due().max(self.sync_retry_at)
    }

    fn fetch(&mut self) {
        // It is no younger than the call.
        let created_at = Instant::now();
        match self.device.block() {
            Ok(block) => {
                if self.fault.take().is_some() {
                    tracing::info!("the NSM returns entropy again");
                }
                self.queue.put(created_at, block);
            }
            Err(fault) => self.record_fault(fault),
        }
    }

    /// Whether blocks come is for blocks to tell: a document that does not is told to who asked.
    fn attest(&mut self, task: Task) {
        if task.reply.is_closed() {
            return;
        }
        let Task { nonce, user_data, reply } = task;
        let document = self.device.document(Some(nonce), user_data).inspect_err(|fault| {
            // Who watches the calls has told of one that was stuck.
            if !matches!(fault, NsmFault::Stuck { .. }) {
                self.metrics.count_fault(fault);
                tracing::error!("no attestation document for a caller: {fault}");
            }
        });
        // Who left meanwhile is not told.
        drop(reply.send(document));
    }

    pub(super) fn synchronize(&mut self) {
        let Self { clock, device, .. } = self;
        let syncs = (0..=MAX_PAUSED_SYNCS).map(|_| clock.synchronize(|| device.time()));
        let is_conclusive = |result: &_| !matches!(result, Err(SyncError::Paused));
        match { syncs }.find(is_conclusive).unwrap_or(Err(SyncError::Paused)) {
            Ok(sync) => record_sync(sync, &self.metrics),
            Err(error) => match sync_fault(error) {
                // Done with already: see `record_fault`.
                NsmFault::Stuck { .. } => {}
                // The clock itself says when it was not anchored for too long.
                fault => {
                    self.sync_retry_at = Instant::now() + SYNC_RETRY_INTERVAL;
                    self.clock.record_sync_failure();
                    tracing::error!("cannot synchronize the clock with the NSM: {fault}");
                    self.metrics.count_fault(&fault);
                    match fault.is_timeout() {
                        true => self.queue.record_timeout(fault),
                        false => self.queue.record_fault(fault),
                    }
                }
            },
        }
    }

    fn record_fault(&mut self, fault: NsmFault) {
        // Who watches the calls has told of it, and latched.
        if matches!(fault, NsmFault::Stuck { .. }) {
            return;
        }
        self.metrics.count_fault(&fault);
        if self.fault.replace(fault) != Some(fault) {
            tracing::error!("{fault}");
        }
        if fault.is_final() {
            self.queue.latch(fault);
        } else {
            self.queue.fail(fault);
            self.refill_at = Instant::now() + REFILL_RETRY_INTERVAL;
        }
    }
}

/// However it ends, nobody waits for a thread that is not there.
impl<N, C: Clock> Drop for NsmWorker<N, C> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.metrics.count_fault(&NsmFault::ThreadEnded);
        }
        self.queue.latch(NsmFault::ThreadEnded);
    }
}
