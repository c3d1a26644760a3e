//! What happens to servers, and when it is over.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::fleet::Server;
use crate::load::BoxError;
use crate::seeded_random::SeededRandom;

/// What can happen to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, and started again later.
    Killed,
    /// SIGSTOP, and SIGCONT later.
    Paused,
    /// SIGTERM, and started again once it has ended.
    Restarted,
}

const ALL: [Fault; 3] = [Fault::Killed, Fault::Paused, Fault::Restarted];
/// Who survives may rest, and no more.
const PAUSE_ONLY: [Fault; 1] = [Fault::Paused];
/// Until the next one, at most, in milliseconds.
const MAX_INTERVAL_MS: u64 = 3000;
/// How long one lasts, in milliseconds: from what nobody notices to more than it takes to be ejected.
const DURATION_MS: std::ops::Range<u64> = 200..8000;

/// A server, and what is wrong with it.
pub(crate) struct FaultTarget {
    pub(crate) server: Server,
    /// Its process lives to the end.
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

    /// Ends what is wrong with it.
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

    /// How often what has happened to it.
    pub(crate) fn history(&self) -> String {
        let counts = ALL.iter().zip(self.counts).map(|(of, count)| format!("{of:?} {count}"));
        counts.collect::<Vec<_>>().join(", ").to_lowercase()
    }
}

/// Lets something happen, and ends what is over; to be called often.
pub(crate) struct FaultPlan {
    random: SeededRandom,
    next: Instant,
}

impl FaultPlan {
    pub(crate) fn new(random: SeededRandom) -> Self {
        Self { random, next: Instant::now() }
    }

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
        // Drawn whether or not they are used, so that a seed says the same each time.
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

/// All are well again.
pub(crate) fn recover_all(targets: &mut [FaultTarget]) -> Result<(), BoxError> {
    targets.iter_mut().try_for_each(FaultTarget::recover)
}
