//! The faults that are injected into servers, and their recovery.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::fleet::Server;
use crate::load::BoxError;
use crate::seeded_random::SeededRandom;

/// A fault of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, followed by a restart after a while.
    Killed,
    /// SIGSTOP, followed by SIGCONT after a while.
    Paused,
    /// SIGTERM, followed by a restart after the exit.
    Restarted,
}

const ALL: [Fault; 3] = [Fault::Killed, Fault::Paused, Fault::Restarted];
/// The faults of servers whose process must not end.
const PAUSE_ONLY: [Fault; 1] = [Fault::Paused];
/// Maximum time until the next fault, in milliseconds.
const MAX_INTERVAL_MS: u64 = 3000;
/// Duration of a fault, in milliseconds. The shortest faults have no visible effect. The longest
/// faults last longer than an ejection by the relay.
const DURATION_MS: std::ops::Range<u64> = 200..8000;

/// A server and its active fault.
pub(crate) struct FaultTarget {
    pub(crate) server: Server,
    /// True if the process must keep running.
    pub(crate) pause_only: bool,
    active_fault: Option<(Fault, Instant)>,
    counts: [u32; ALL.len()],
}

impl FaultTarget {
    pub(crate) fn new(server: Server, pause_only: bool) -> Self {
        Self { server, pause_only, active_fault: None, counts: [0; ALL.len()] }
    }

    fn inject(&mut self, fault: Fault, until: Instant) -> Result<(), BoxError> {
        match fault {
            Fault::Killed => self.server.kill()?,
            Fault::Paused => self.server.signal(Signal::SIGSTOP)?,
            Fault::Restarted => self.server.signal(Signal::SIGTERM)?,
        }
        self.active_fault = Some((fault, until));
        let counts = ALL.iter().zip(&mut self.counts);
        counts.filter(|(of, _)| **of == fault).for_each(|(_, count)| *count += 1);
        Ok(())
    }

    /// Ends the active fault.
    fn recover(&mut self) -> Result<(), BoxError> {
        match self.active_fault.take() {
            None => {}
            Some((Fault::Paused, _)) => self.server.signal(Signal::SIGCONT)?,
            Some((Fault::Killed, _)) => drop(self.server.start()?),
            Some((Fault::Restarted, _)) => {
                self.server.wait_for_exit()?;
                drop(self.server.start()?);
            }
        }
        Ok(())
    }

    /// Returns the number of injected faults by kind.
    pub(crate) fn history(&self) -> String {
        let counts = ALL.iter().zip(self.counts).map(|(of, count)| format!("{of:?} {count}"));
        counts.collect::<Vec<_>>().join(", ").to_lowercase()
    }
}

/// A random sequence of faults.
pub(crate) struct FaultPlan {
    random: SeededRandom,
    next: Instant,
}

impl FaultPlan {
    pub(crate) fn new(random: SeededRandom) -> Self {
        Self { random, next: Instant::now() }
    }

    /// Injects the faults that are due, and ends the faults that are over. Must be called often.
    pub(crate) fn advance(&mut self, targets: &mut [FaultTarget]) -> Result<(), BoxError> {
        let now = Instant::now();
        for target in &mut *targets {
            if target.active_fault.is_some_and(|(_, until)| until <= now) {
                target.recover()?;
            } else if target.active_fault.is_none() && target.server.has_exited()? {
                let (name, log) = (&target.server.name, target.server.log_end()?);
                return Err(format!("{name} exited without being stopped:\n{log}").into());
            }
        }
        if now < self.next {
            return Ok(());
        }
        // All values are drawn even if they are unused, so that a seed always produces the same sequence
        // of faults.
        let target = self.random.below(u64::try_from(targets.len())?);
        let fault = *self.random.one_of(&ALL)?;
        let duration = DURATION_MS.start + self.random.below(DURATION_MS.end - DURATION_MS.start);
        self.next = now + Duration::from_millis(self.random.below(MAX_INTERVAL_MS));
        let Some(target) = targets.get_mut(usize::try_from(target)?) else { return Ok(()) };
        if target.active_fault.is_some() {
            return Ok(());
        }
        let fault = if target.pause_only { *self.random.one_of(&PAUSE_ONLY)? } else { fault };
        target.inject(fault, now + Duration::from_millis(duration))
    }
}

/// Ends all active faults.
pub(crate) fn recover_all(targets: &mut [FaultTarget]) -> Result<(), BoxError> {
    targets.iter_mut().try_for_each(FaultTarget::recover)
}
