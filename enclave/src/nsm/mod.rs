//! The thread that owns the Nitro Secure Module: the only place that talks to it.
//!
//! The kernel's driver serialises all calls on one mutex and may block for two minutes, so no call
//! is ever made on a thread that serves requests. Blocks are fetched ahead of need, so that a
//! request seldom waits for one; if it does, it waits until its deadline and not for the device. A
//! watchdog ends the service's trust in a device that hangs, and health tests in one that gives
//! what is not random: both until the restart.

mod attendant;
mod block;
mod device;
mod errand;
#[cfg(test)]
pub(crate) mod fake;
mod fault;
mod metrics;
mod queue;
mod settings;
mod sync;
#[cfg(test)]
mod tests;
mod watchdog;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nsm_device::Nsm;
use tokio::sync::oneshot;
use transport::limits::MAX_CONNECTIONS;

use self::attendant::Attendant;
pub(crate) use self::block::Block;
use self::device::Device;
use self::errand::{Errand, MAX_ERRANDS, Queue};
pub use self::fault::NsmFault;
pub(crate) use self::metrics::NsmMetrics;
use self::queue::{Condition, Limits, NotTaken, Taken};
pub(crate) use self::settings::NsmSettings;
use self::watchdog::Flight;
use crate::clock::{Clock, Deadline, Pauses, TrustedClock};
use crate::measurement::Measured;

/// What is found at start: the clock, and PCR0.
type Boot<C> = Result<(Arc<TrustedClock<C>>, Vec<u8>), NsmFault>;

/// The one report of how the start went, by whoever knows first.
struct Report<C>(Arc<Mutex<Option<oneshot::Sender<Boot<C>>>>>);

impl<C> Report<C> {
    fn new() -> (Self, oneshot::Receiver<Boot<C>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn send(&self, boot: Boot<C>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Whoever started it has gone if it does not want to know.
            drop(sender.send(boot));
        }
    }
}

impl<C> Clone for Report<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Also a thread that panics has told how the start went.
struct ReportedEnd<C>(Report<C>);

impl<C> Drop for ReportedEnd<C> {
    fn drop(&mut self) {
        self.0.send(Err(NsmFault::ThreadEnded));
    }
}

/// The way to the thread, which ends with it.
pub(crate) struct NsmThread {
    queue: Arc<Queue>,
    flight: Arc<Flight>,
    /// How long a caller waits.
    patience: Duration,
    pauses: &'static Pauses,
    metrics: Arc<NsmMetrics>,
}

/// What a module that works was found to give at start.
pub(crate) struct Booted<C: Clock> {
    pub(crate) nsm: NsmThread,
    /// Kept by the thread.
    pub(crate) clock: Arc<TrustedClock<C>>,
    pub(crate) pcr0: Vec<u8>,
}

impl NsmThread {
    /// Hands the module to a thread of its own, which tests it, anchors the clock, measures the
    /// configuration and then keeps blocks ready. Returns once it has, or has found a fault.
    pub(crate) async fn start<N: Nsm, C: Clock>(
        nsm: N,
        clock: C,
        settings: &NsmSettings,
        measurement: Option<Measured>,
        metrics: Arc<NsmMetrics>,
    ) -> io::Result<Result<Booted<C>, NsmFault>> {
        let queue = Arc::new(Queue::new(Limits {
            ready: settings.prefetch,
            max_age: settings.max_age,
            // A connection waits for one block at a time.
            waiting: MAX_CONNECTIONS,
            errands: MAX_ERRANDS,
        }));
        let pauses = Pauses::of_process();
        let (report, boot) = Report::new();
        let flight = {
            let (queue, metrics, report) =
                (Arc::clone(&queue), Arc::clone(&metrics), report.clone());
            let fault = NsmFault::Stuck { limit: settings.watchdog };
            Flight::watch(settings.watchdog, pauses, move || {
                metrics.count_fault(&fault);
                tracing::error!("{fault}");
                queue.latch(fault);
                report.send(Err(fault));
            })?
        };
        let this = Self { queue, flight, patience: settings.deadline, pauses, metrics };
        let mut device = Device::new(nsm, Arc::clone(&this.flight), Arc::clone(&this.metrics));
        let (queue, metrics) = (Arc::clone(&this.queue), Arc::clone(&this.metrics));
        thread::Builder::new().name("nsm".to_owned()).spawn(move || {
            let report = ReportedEnd(report);
            match attendant::boot(&mut device, clock, measurement, &metrics, pauses) {
                Ok((clock, pcr0)) => {
                    let clock = Arc::new(clock);
                    report.0.send(Ok((Arc::clone(&clock), pcr0)));
                    Attendant::new(device, queue, clock, metrics).run();
                }
                Err(fault) => report.0.send(Err(fault)),
            }
        })?;
        let booted = boot.await.unwrap_or(Err(NsmFault::ThreadEnded));
        Ok(booted.map(|(clock, pcr0)| Booted { nsm: this, clock, pcr0 }))
    }

    /// Until when a caller that comes now waits.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.patience, self.pauses)
    }

    /// A fresh block, by the deadline.
    pub(crate) async fn block(&self, deadline: Deadline) -> Result<Block, NsmFault> {
        match self.queue.take(Instant::now()) {
            Ok(Taken::Ready(block)) => {
                self.metrics.blocks.prefetched.inc();
                Ok(block)
            }
            Ok(Taken::Wait(place)) => {
                let late = NsmFault::Deadline { deadline: self.patience };
                let answer = deadline.bound(place).await;
                let answer = answer.map_err(|_| self.overdue(late))?;
                let block = answer.unwrap_or(Err(NsmFault::ThreadEnded))?;
                self.metrics.blocks.on_demand.inc();
                Ok(block)
            }
            Err(NotTaken::Latched(fault)) => Err(fault),
            Err(NotTaken::Full) => Err(self.overdue(NsmFault::Full)),
        }
    }

    /// A document of the enclave's own, with `nonce` and `user_data` in it, by the deadline.
    pub(crate) async fn document(
        &self,
        nonce: Vec<u8>,
        user_data: Option<Vec<u8>>,
        deadline: Deadline,
    ) -> Result<Vec<u8>, NsmFault> {
        let (reply, answer) = oneshot::channel();
        match self.queue.send(Errand { nonce, user_data, reply }) {
            Ok(()) => match deadline.bound(answer).await {
                Ok(Ok(document)) => document,
                // It was dropped: nothing is done for anybody any more.
                Ok(Err(_)) => Err(self.fault().unwrap_or(NsmFault::ThreadEnded)),
                // Blocks may come all the same.
                Err(_) => Err(NsmFault::Deadline { deadline: self.patience }),
            },
            Err(NotTaken::Latched(fault)) => Err(fault),
            Err(NotTaken::Full) => Err(NsmFault::Full),
        }
    }

    /// Before the caller is told, so that whoever asks next whether this is ready knows as well.
    fn overdue(&self, fault: NsmFault) -> NsmFault {
        self.queue.overdue(fault);
        fault
    }

    /// What is the matter now, if anything is.
    pub(crate) fn fault(&self) -> Option<NsmFault> {
        match self.queue.condition() {
            Condition::Good => None,
            Condition::Faulty(fault) | Condition::Latched(fault) => Some(fault),
        }
    }

    /// Whether nothing but a restart ends what is the matter.
    pub(crate) fn is_latched(&self) -> bool {
        matches!(self.queue.condition(), Condition::Latched(_))
    }

    /// Brings the metrics up to date that are only read when they are shown.
    pub(crate) fn refresh_metrics(&self) {
        let (ready, expired) = self.queue.stock();
        self.metrics.set_stock(ready, expired);
    }

    /// Returns the metrics.
    #[cfg(test)]
    pub(crate) fn metrics(&self) -> &NsmMetrics {
        &self.metrics
    }

    /// Returns the number of blocks that are ready, and of those that grew too old so far.
    #[cfg(test)]
    pub(crate) fn stock(&self) -> (usize, u64) {
        self.queue.stock()
    }
}

impl Drop for NsmThread {
    fn drop(&mut self) {
        self.queue.close();
        self.flight.end();
    }
}

impl std::fmt::Debug for NsmThread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NsmThread")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
