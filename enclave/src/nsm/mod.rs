//! The thread that owns the Nitro Secure Module: the only place that talks to it.
//!
//! The kernel's driver serialises all calls on one mutex and may block for two minutes, so no call
//! is ever made on a thread that serves requests. Blocks are fetched ahead of need, so that a
//! request seldom waits for one; if it does, it waits until its deadline and not for the device. A
//! watchdog ends the service's trust in a device that hangs, and health tests in one that gives
//! what is not random: both until the restart.

mod block;
mod device;
#[cfg(test)]
pub(crate) mod fake;
mod fault;
mod metrics;
mod queue;
mod settings;
mod sync;
mod task;
#[cfg(test)]
mod tests;
mod watchdog;
mod worker;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nsm_device::Nsm;
use tokio::sync::oneshot;
use transport::limits::MAX_CONNECTIONS;

pub(crate) use self::block::Block;
use self::device::Device;
pub use self::fault::NsmFault;
pub(crate) use self::metrics::NsmMetrics;
use self::queue::{Delivery, DeviceStatus, Limits, QueueError};
pub(crate) use self::settings::NsmSettings;
use self::task::{MAX_TASKS, NsmQueue, Task};
use self::watchdog::CallMonitor;
use self::worker::NsmWorker;
use crate::clock::{Clock, Deadline, PauseDetector, TrustedClock};
use crate::config_pcrs::ConfigDigests;

/// What is found at start: the clock, and PCR0.
type StartResult<C> = Result<(Arc<TrustedClock<C>>, Vec<u8>), NsmFault>;

/// The one report of how the start went, by whoever knows first.
struct StartReport<C>(Arc<Mutex<Option<oneshot::Sender<StartResult<C>>>>>);

impl<C> StartReport<C> {
    fn new() -> (Self, oneshot::Receiver<StartResult<C>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn send(&self, start_result: StartResult<C>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Whoever started it has gone if it does not want to know.
            drop(sender.send(start_result));
        }
    }
}

impl<C> Clone for StartReport<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Also a thread that panics has told how the start went.
struct ReportEndOnDrop<C>(StartReport<C>);

impl<C> Drop for ReportEndOnDrop<C> {
    fn drop(&mut self) {
        self.0.send(Err(NsmFault::ThreadEnded));
    }
}

/// The way to the thread, which ends with it.
pub(crate) struct NsmHandle {
    queue: Arc<NsmQueue>,
    monitor: Arc<CallMonitor>,
    /// How long a caller waits.
    timeout: Duration,
    pauses: &'static PauseDetector,
    metrics: Arc<NsmMetrics>,
}

/// What a module that works was found to give at start.
pub(crate) struct StartedNsm<C: Clock> {
    pub(crate) nsm: NsmHandle,
    /// Kept by the thread.
    pub(crate) clock: Arc<TrustedClock<C>>,
    pub(crate) pcr0: Vec<u8>,
}

impl NsmHandle {
    /// Hands the module to a thread of its own, which tests it, anchors the clock, measures the
    /// configuration and then keeps blocks ready. Returns once it has, or has found a fault.
    pub(crate) async fn start<N: Nsm, C: Clock>(
        nsm: N,
        clock: C,
        settings: &NsmSettings,
        measurement: Option<ConfigDigests>,
        metrics: Arc<NsmMetrics>,
    ) -> io::Result<Result<StartedNsm<C>, NsmFault>> {
        let queue = Arc::new(NsmQueue::new(Limits {
            ready: settings.prefetch,
            max_age: settings.max_age,
            // A connection waits for one block at a time.
            waiting: MAX_CONNECTIONS,
            tasks: MAX_TASKS,
        }));
        let pauses = PauseDetector::global();
        let (report, start_result) = StartReport::new();
        let monitor = {
            let (queue, metrics, report) =
                (Arc::clone(&queue), Arc::clone(&metrics), report.clone());
            let fault = NsmFault::Stuck { limit: settings.watchdog };
            CallMonitor::spawn(settings.watchdog, pauses, move || {
                metrics.count_fault(&fault);
                tracing::error!("{fault}");
                queue.latch(fault);
                report.send(Err(fault));
            })?
        };
        let handle = Self { queue, monitor, timeout: settings.deadline, pauses, metrics };
        let mut device = Device::new(nsm, Arc::clone(&handle.monitor), Arc::clone(&handle.metrics));
        let (queue, metrics) = (Arc::clone(&handle.queue), Arc::clone(&handle.metrics));
        thread::Builder::new().name("nsm".to_owned()).spawn(move || {
            let report = ReportEndOnDrop(report);
            match worker::start_up(&mut device, clock, measurement, &metrics, pauses) {
                Ok((clock, pcr0)) => {
                    let clock = Arc::new(clock);
                    report.0.send(Ok((Arc::clone(&clock), pcr0)));
                    NsmWorker::new(device, queue, clock, metrics).run();
                }
                Err(fault) => report.0.send(Err(fault)),
            }
        })?;
        let started = start_result.await.unwrap_or(Err(NsmFault::ThreadEnded));
        Ok(started.map(|(clock, pcr0)| StartedNsm { nsm: handle, clock, pcr0 }))
    }

    /// Until when a caller that comes now waits.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout, self.pauses)
    }

    /// A fresh block, by the deadline.
    pub(crate) async fn block(&self, deadline: Deadline) -> Result<Block, NsmFault> {
        match self.queue.take(Instant::now()) {
            Ok(Delivery::Ready(block)) => {
                self.metrics.blocks.prefetched.inc();
                Ok(block)
            }
            Ok(Delivery::Pending(receiver)) => {
                let timed_out = NsmFault::Deadline { deadline: self.timeout };
                let response = deadline.bound(receiver).await;
                let response = response.map_err(|_| self.record_timeout(timed_out))?;
                let block = response.unwrap_or(Err(NsmFault::ThreadEnded))?;
                self.metrics.blocks.on_demand.inc();
                Ok(block)
            }
            Err(QueueError::Latched(fault)) => Err(fault),
            Err(QueueError::Full) => Err(self.record_timeout(NsmFault::Full)),
        }
    }

    /// A document of the enclave's own, with `nonce` and `user_data` in it, by the deadline.
    pub(crate) async fn document(
        &self,
        nonce: Vec<u8>,
        user_data: Option<Vec<u8>>,
        deadline: Deadline,
    ) -> Result<Vec<u8>, NsmFault> {
        let (reply, response) = oneshot::channel();
        match self.queue.submit(Task { nonce, user_data, reply }) {
            Ok(()) => match deadline.bound(response).await {
                Ok(Ok(document)) => document,
                // It was dropped: nothing is done for anybody any more.
                Ok(Err(_)) => Err(self.fault().unwrap_or(NsmFault::ThreadEnded)),
                // Blocks may come all the same.
                Err(_) => Err(NsmFault::Deadline { deadline: self.timeout }),
            },
            Err(QueueError::Latched(fault)) => Err(fault),
            Err(QueueError::Full) => Err(NsmFault::Full),
        }
    }

    /// Before the caller is told, so that whoever asks next whether this is ready knows as well.
    fn record_timeout(&self, fault: NsmFault) -> NsmFault {
        self.queue.record_timeout(fault);
        fault
    }

    /// What is the matter now, if anything is.
    pub(crate) fn fault(&self) -> Option<NsmFault> {
        match self.queue.status() {
            DeviceStatus::Working => None,
            DeviceStatus::Faulty(fault) | DeviceStatus::Latched(fault) => Some(fault),
        }
    }

    /// Whether nothing but a restart ends what is the matter.
    pub(crate) fn is_latched(&self) -> bool {
        matches!(self.queue.status(), DeviceStatus::Latched(_))
    }

    /// Brings the metrics up to date that are only read when they are shown.
    pub(crate) fn refresh_metrics(&self) {
        let (ready, expired) = self.queue.block_counts();
        self.metrics.set_block_counts(ready, expired);
    }

    /// Returns the metrics.
    #[cfg(test)]
    pub(crate) fn metrics(&self) -> &NsmMetrics {
        &self.metrics
    }

    /// Returns the number of blocks that are ready, and of those that grew too old so far.
    #[cfg(test)]
    pub(crate) fn block_counts(&self) -> (usize, u64) {
        self.queue.block_counts()
    }
}

impl Drop for NsmHandle {
    fn drop(&mut self) {
        self.queue.close();
        self.monitor.stop();
    }
}

impl std::fmt::Debug for NsmHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NsmHandle").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
