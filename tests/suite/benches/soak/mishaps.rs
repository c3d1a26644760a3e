//! What happens to servers, and when it is over.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::chance::Chance;
use crate::fleet::Server;
use crate::load::Failure;

/// What can happen to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// SIGKILL, and started again later.
    Killed,
    /// SIGSTOP, and SIGCONT later.
    Paused,
    /// SIGTERM, and started again once it has ended.
    Restarted,
}

const ALL: [Mishap; 3] = [Mishap::Killed, Mishap::Paused, Mishap::Restarted];
/// Who survives may rest, and no more.
const OF_SURVIVORS: [Mishap; 1] = [Mishap::Paused];
/// Until the next one, at most, in milliseconds.
const EVERY_MS: u64 = 3000;
/// How long one lasts, in milliseconds: from what nobody notices to more than it takes to be ejected.
const LASTS_MS: std::ops::Range<u64> = 200..8000;

/// A server, and what is wrong with it.
pub(crate) struct Victim {
    pub(crate) server: Server,
    /// Its process lives to the end.
    pub(crate) survives: bool,
    suffers: Option<(Mishap, Instant)>,
    counts: [u32; ALL.len()],
}

impl Victim {
    pub(crate) fn new(server: Server, survives: bool) -> Self {
        Self { server, survives, suffers: None, counts: [0; ALL.len()] }
    }

    fn suffer(&mut self, mishap: Mishap, until: Instant) -> Result<(), Failure> {
        match mishap {
            Mishap::Killed => self.server.kill()?,
            Mishap::Paused => self.server.signal(Signal::SIGSTOP)?,
            Mishap::Restarted => self.server.signal(Signal::SIGTERM)?,
        }
        self.suffers = Some((mishap, until));
        let counts = ALL.iter().zip(&mut self.counts);
        counts.filter(|(of, _)| **of == mishap).for_each(|(_, count)| *count += 1);
        Ok(())
    }

    /// Ends what is wrong with it.
    fn recover(&mut self) -> Result<(), Failure> {
        match self.suffers.take() {
            None => {}
            Some((Mishap::Paused, _)) => self.server.signal(Signal::SIGCONT)?,
            Some((Mishap::Killed, _)) => drop(self.server.start()?),
            Some((Mishap::Restarted, _)) => {
                self.server.ended()?;
                drop(self.server.start()?);
            }
        }
        Ok(())
    }

    /// How often what has happened to it.
    pub(crate) fn history(&self) -> String {
        let told = ALL.iter().zip(self.counts).map(|(of, count)| format!("{of:?} {count}"));
        told.collect::<Vec<_>>().join(", ").to_lowercase()
    }
}

/// Lets something happen, and ends what is over; to be called often.
pub(crate) struct Mishaps {
    chance: Chance,
    next: Instant,
}

impl Mishaps {
    pub(crate) fn new(chance: Chance) -> Self {
        Self { chance, next: Instant::now() }
    }

    pub(crate) fn go_on(&mut self, victims: &mut [Victim]) -> Result<(), Failure> {
        let now = Instant::now();
        for victim in &mut *victims {
            if victim.suffers.is_some_and(|(_, until)| until <= now) {
                victim.recover()?;
            } else if victim.suffers.is_none() && victim.server.is_lost()? {
                let (name, log) = (&victim.server.name, victim.server.log_end()?);
                return Err(format!("{name} has ended by itself:\n{log}").into());
            }
        }
        if now < self.next {
            return Ok(());
        }
        // Drawn whether or not they are used, so that a seed says the same each time.
        let victim = self.chance.below(u64::try_from(victims.len())?);
        let mishap = *self.chance.one_of(&ALL)?;
        let lasts = LASTS_MS.start + self.chance.below(LASTS_MS.end - LASTS_MS.start);
        self.next = now + Duration::from_millis(self.chance.below(EVERY_MS));
        let Some(victim) = victims.get_mut(usize::try_from(victim)?) else { return Ok(()) };
        if victim.suffers.is_some() {
            return Ok(());
        }
        let mishap = if victim.survives { *self.chance.one_of(&OF_SURVIVORS)? } else { mishap };
        victim.suffer(mishap, now + Duration::from_millis(lasts))
    }
}

/// All are well again.
pub(crate) fn end(victims: &mut [Victim]) -> Result<(), Failure> {
    victims.iter_mut().try_for_each(Victim::recover)
}
