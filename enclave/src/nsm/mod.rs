//! The thread that owns the Nitro Secure Module (NSM) and makes all calls to it.
//!
//! The kernel driver serializes all calls with one mutex and may block for two minutes. So a thread that
//! serves requests never calls the NSM. The NSM thread prefetches blocks of random bytes. A request that
//! finds no block waits for the next block, but not longer than its deadline.
//!
//! Two checks latch a fault, which then lasts until the service restarts. The watchdog detects calls that
//! do not return. The health tests detect output that is not random.

mod block;
mod current_document;
mod device;
mod fault;
mod locks;
mod metrics;
mod queue;
mod settings;
mod task;
#[cfg(test)]
pub(crate) mod test_nsm;
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
use self::current_document::CurrentDocument;
use self::device::Device;
pub use self::fault::NsmFault;
pub(crate) use self::metrics::NsmMetrics;
use self::queue::{Delivery, DeviceStatus, Limits, QueueError};
pub(crate) use self::settings::NsmSettings;
use self::task::{DocumentRequest, MAX_TASKS, NsmQueue, Task};
use self::watchdog::CallMonitor;
use self::worker::NsmWorker;
use crate::clock::{Clock, Deadline, PauseDetector, TrustedClock};
use crate::pcr_extension::ConfigDigests;

/// The result of the start: the synchronized clock and PCR0.
type StartResult<C> = Result<(Arc<TrustedClock<C>>, Vec<u8>), NsmFault>;

/// A sender for the result of the start. Only the first call of `send` has an effect.
struct StartReport<C>(Arc<Mutex<Option<oneshot::Sender<StartResult<C>>>>>);

impl<C> StartReport<C> {
    fn new() -> (Self, oneshot::Receiver<StartResult<C>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn send(&self, start_result: StartResult<C>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The receiver is gone if the start was cancelled.
            drop(sender.send(start_result));
        }
    }
}

impl<C> Clone for StartReport<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A guard that reports a fault if the thread ends before it has sent a report, for example after a panic.
struct ReportEndOnDrop<C>(StartReport<C>);

impl<C> Drop for ReportEndOnDrop<C> {
    fn drop(&mut self) {
        self.0.send(Err(NsmFault::ThreadEnded));
    }
}

/// A handle to the NSM thread. Dropping the handle ends the thread.
pub(crate) struct NsmHandle {
    queue: Arc<NsmQueue>,
    monitor: Arc<CallMonitor>,
    /// Longest time that a caller waits.
    timeout: Duration,
    pauses: &'static PauseDetector,
    metrics: Arc<NsmMetrics>,
    current_document: Arc<CurrentDocument>,
}

/// The result of a successful start.
pub(crate) struct StartedNsm<C: Clock> {
    pub(crate) nsm: NsmHandle,
    /// Clock that the NSM thread keeps synchronized.
    pub(crate) clock: Arc<TrustedClock<C>>,
    pub(crate) pcr0: Vec<u8>,
}

impl NsmHandle {
    /// Starts the NSM thread. The thread synchronizes the clock, tests the NSM, measures the configuration,
    /// and then prefetches blocks.
    ///
    /// Returns after the measurement of the configuration.
    ///
    /// # Errors
    /// The outer error means that the system could not start a thread. The inner error is a fault of the
    /// NSM.
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
            // Each connection waits for at most one block, so this limit covers all connections.
            waiting: MAX_CONNECTIONS,
            tasks: MAX_TASKS,
        }));
        let pauses = PauseDetector::global();
        let (report, start_result) = StartReport::new();
        let monitor = {
            let (queue, metrics, report) =
                (Arc::clone(&queue), Arc::clone(&metrics), report.clone());
            let fault = NsmFault::Hung { limit: settings.watchdog };
            CallMonitor::spawn(settings.watchdog, pauses, move || {
                metrics.count_fault(&fault);
                tracing::error!(%fault, "NSM fault");
                queue.latch(fault);
                report.send(Err(fault));
            })?
        };
        let current_document = Arc::new(CurrentDocument::default());
        let (timeout, current) = (settings.deadline, Arc::clone(&current_document));
        let handle = Self { queue, monitor, timeout, pauses, metrics, current_document };
        let (monitor, metrics) = (Arc::clone(&handle.monitor), Arc::clone(&handle.metrics));
        let mut device = Device::new(nsm, monitor, metrics, current);
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

    /// Returns the deadline of a caller that starts to wait now.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout, self.pauses)
    }

    /// Returns a fresh block. Waits until `deadline` at most.
    pub(crate) async fn block(&self, deadline: Deadline) -> Result<Block, NsmFault> {
        match self.queue.take(Instant::now()) {
            Ok(Delivery::Ready(block)) => {
                self.metrics.blocks.prefetched.inc();
                Ok(block)
            }
            Ok(Delivery::Pending(receiver)) => {
                let timed_out = NsmFault::TimedOut { deadline: self.timeout };
                let response = deadline.bound(receiver).await;
                let response = response.map_err(|_| self.record_timeout(timed_out))?;
                let block = response.unwrap_or(Err(NsmFault::ThreadEnded))?;
                self.metrics.blocks.on_demand.inc();
                Ok(block)
            }
            Err(QueueError::Latched(fault)) => Err(fault),
            Err(QueueError::Full) => Err(self.record_timeout(NsmFault::QueueFull)),
        }
    }

    /// Makes `user_data` the identity of this enclave: the `user_data` of all later documents. Returns after the NSM
    /// has signed a document with it, which is then the current document. The watchdog bounds the wait.
    pub(crate) async fn set_identity(&self, user_data: Vec<u8>) -> Result<(), NsmFault> {
        self.run(DocumentRequest::NewIdentity(user_data)).await.map(drop)
    }

    /// Returns the newest document with the identity and without a nonce. Makes no call of the NSM. The clock
    /// synchronization renews the document, so the document is current if the time is trusted.
    pub(crate) fn current_document(&self) -> Option<Arc<[u8]>> {
        self.current_document.get()
    }

    /// Returns a function like [`current_document`](Self::current_document), for other threads. The function does not
    /// keep the NSM thread alive.
    pub(crate) fn document_source(&self) -> impl Fn() -> Option<Arc<[u8]>> + Send + 'static {
        let current_document = Arc::clone(&self.current_document);
        move || current_document.get()
    }

    /// Returns an attestation document of this enclave that contains `nonce` and the identity. Waits until
    /// `deadline` at most.
    pub(crate) async fn document(
        &self,
        nonce: Vec<u8>,
        deadline: Deadline,
    ) -> Result<Vec<u8>, NsmFault> {
        let document = deadline.bound(self.run(DocumentRequest::Nonce(nonce))).await;
        // The queue does not record this timeout, because blocks may still arrive in time.
        document.unwrap_or(Err(NsmFault::TimedOut { deadline: self.timeout }))
    }

    /// Submits a task and waits for its document.
    async fn run(&self, request: DocumentRequest) -> Result<Vec<u8>, NsmFault> {
        let (reply, response) = oneshot::channel();
        match self.queue.submit(Task { request, reply }) {
            Ok(()) => match response.await {
                Ok(document) => document,
                // The worker dropped the task, because the queue was latched or closed.
                Err(_) => Err(self.fault().unwrap_or(NsmFault::ThreadEnded)),
            },
            Err(QueueError::Latched(fault)) => Err(fault),
            Err(QueueError::Full) => Err(NsmFault::QueueFull),
        }
    }

    /// Records a timeout in the queue, so that the next readiness check sees the fault. Returns the fault.
    fn record_timeout(&self, fault: NsmFault) -> NsmFault {
        self.queue.record_timeout(fault);
        fault
    }

    /// Returns the current fault.
    pub(crate) fn fault(&self) -> Option<NsmFault> {
        match self.queue.status() {
            DeviceStatus::Working => None,
            DeviceStatus::Faulty(fault) | DeviceStatus::Latched(fault) => Some(fault),
        }
    }

    /// Returns whether only a restart ends the current fault.
    pub(crate) fn is_latched(&self) -> bool {
        matches!(self.queue.status(), DeviceStatus::Latched(_))
    }

    /// Updates the metrics that are computed for each request of the metrics.
    pub(crate) fn refresh_metrics(&self) {
        let (ready, expired) = self.queue.block_counts();
        self.metrics.set_block_counts(ready, expired);
    }

    /// Returns the metrics.
    #[cfg(test)]
    pub(crate) fn metrics(&self) -> &NsmMetrics {
        &self.metrics
    }

    /// Returns the number of prefetched blocks, and the number of expired blocks so far.
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
