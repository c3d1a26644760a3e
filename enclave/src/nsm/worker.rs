//! The work of the NSM thread: the start-up tests, and then the loop of the worker.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nsm_device::Nsm;

use super::device::Device;
use super::fault::NsmFault;
use super::metrics::NsmMetrics;
use super::queue::Work;
use super::task::{DocumentRequest, NsmQueue, Task};
use crate::clock::{Clock, PauseDetector, SyncError, SyncReport, TrustedClock};
use crate::health::START_UP_BLOCKS;
use crate::pcr_extension::{CONFIGURATION_PCR, ConfigDigests, SECRETS_PCR};

/// Interval at which the worker tries a faulty device again while no caller waits for a block.
const REFILL_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Delay after a failed synchronization of the clock.
const SYNC_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which the worker checks whether a long pause has made an early clock synchronization
/// necessary. A long pause lasts over 1 s. The interval is shorter, so a check is due as soon as the pause
/// ends.
const SYNC_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Maximum number of repetitions of a synchronization that a pause of this process has interrupted.
const MAX_PAUSED_SYNCS: u8 = 3;

/// Tests everything that a request needs from the NSM: the time, PCR0 and random bytes. Discards the tested
/// blocks of random bytes.
///
/// Measures the configuration last, because the service cannot reset a PCR.
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
        // A PCR that is locked at zero shows that there is no configuration.
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
        SyncError::Slow { .. } => NsmFault::SlowTimestamp,
        SyncError::Paused => NsmFault::Paused,
    }
}

/// Counts a synchronization, and warns if the system clock is wrong.
fn record_sync(sync: SyncReport, metrics: &NsmMetrics) {
    metrics.count_sync(&sync);
    if sync.exceeds_limit() {
        let offset_seconds = sync.offset_seconds();
        tracing::warn!(
            offset_seconds,
            "the system clock differs from the NSM's time; the service uses the NSM's time"
        );
    }
}

/// A worker that prefetches blocks, runs tasks and synchronizes the clock.
pub(super) struct NsmWorker<N, C: Clock> {
    device: Device<N>,
    queue: Arc<NsmQueue>,
    clock: Arc<TrustedClock<C>>,
    metrics: Arc<NsmMetrics>,
    /// Fault of the last call for a block.
    fault: Option<NsmFault>,
    /// Time until which the worker fetches blocks only for waiting callers.
    refill_at: Instant,
    /// Earliest time of the next clock synchronization. A failed synchronization delays the next
    /// synchronization.
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

    /// Returns the time of the next synchronization.
    pub(super) fn sync_at(&self) -> Instant {
        self.clock.sync_due().max(self.sync_retry_at)
    }

    fn fetch(&mut self) {
        // The creation time is read before the call, so that the age of the block is never too low.
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

    /// Runs a task. A failed task does not change the state of the NSM in the queue.
    fn attest(&mut self, task: Task) {
        if task.reply.is_closed() {
            return;
        }
        let Task { request, reply } = task;
        let document = match request {
            DocumentRequest::Nonce(nonce) => self.device.document(nonce),
            DocumentRequest::NewIdentity(user_data) => self.device.set_identity(user_data),
        };
        let document = document.inspect_err(|fault| {
            // The call monitor has reported a stuck call.
            if !matches!(fault, NsmFault::Hung { .. }) {
                self.metrics.count_fault(fault);
                tracing::error!(%fault, "no attestation document for a caller");
            }
        });
        // Sending fails if the caller no longer waits.
        drop(reply.send(document));
    }

    pub(super) fn synchronize(&mut self) {
        let Self { clock, device, .. } = self;
        let syncs = (0..=MAX_PAUSED_SYNCS).map(|_| clock.synchronize(|| device.time()));
        let is_conclusive = |result: &_| !matches!(result, Err(SyncError::Paused));
        match { syncs }.find(is_conclusive).unwrap_or(Err(SyncError::Paused)) {
            Ok(sync) => record_sync(sync, &self.metrics),
            Err(error) => match sync_fault(error) {
                // The call monitor has latched the queue.
                NsmFault::Hung { .. } => {}
                // The clock itself checks whether its last synchronization is too old.
                fault => {
                    self.sync_retry_at = Instant::now() + SYNC_RETRY_INTERVAL;
                    self.clock.record_sync_failure();
                    tracing::error!(%fault, "cannot synchronize the clock with the NSM");
                    self.metrics.count_fault(&fault);
                    match fault.is_dependency_timeout() {
                        true => self.queue.record_timeout(fault),
                        false => self.queue.record_fault(fault),
                    }
                }
            },
        }
    }

    fn record_fault(&mut self, fault: NsmFault) {
        // The call monitor has reported a stuck call and latched the queue.
        if matches!(fault, NsmFault::Hung { .. }) {
            return;
        }
        self.metrics.count_fault(&fault);
        if self.fault.replace(fault) != Some(fault) {
            tracing::error!(%fault, "NSM fault");
        }
        if fault.is_final() {
            self.queue.latch(fault);
        } else {
            self.queue.fail(fault);
            self.refill_at = Instant::now() + REFILL_RETRY_INTERVAL;
        }
    }
}

/// Latches the queue when the thread ends for any reason, so that no caller waits for the thread.
impl<N, C: Clock> Drop for NsmWorker<N, C> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.metrics.count_fault(&NsmFault::ThreadEnded);
        }
        self.queue.latch(NsmFault::ThreadEnded);
    }
}
