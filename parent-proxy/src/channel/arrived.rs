//! Lines that were read at a time, on their way to the sink's thread.

use tokio::sync::futures::Notified;
use tokio::time::{Instant, timeout_at};

use super::Desk;

/// Those of them that are still to be handed over. What is left when this is dropped, as at the end, is
/// handed over or counted as dropped, without waiting.
pub(super) struct Arrived<'a, I: Iterator<Item = Vec<u8>>> {
    desk: &'a Desk,
    first: Option<Vec<u8>>,
    rest: I,
}

impl<'a, I: Iterator<Item = Vec<u8>>> Arrived<'a, I> {
    pub(super) fn new(desk: &'a Desk, lines: I) -> Self {
        Self { desk, first: None, rest: lines }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        self.first.take().or_else(|| self.rest.next())
    }

    /// Hands over all of them, in order. Where there is no room they wait for it if they may; but all
    /// together no longer than the desk's patience. If that was not enough, gives what will be ready once
    /// the sink has taken anything since they began: before that, those that follow need not wait.
    pub(super) async fn hand_over(mut self, mut may_wait: bool) -> Option<Notified<'a>> {
        let (since, mut was_in_vain) = (self.desk.lines.settled(), false);
        let deadline = Instant::now() + self.desk.patience;
        while let Some(line) = self.next() {
            let Err(line) = self.desk.offer_in_turn(line) else { continue };
            self.first = Some(line);
            if may_wait && timeout_at(deadline, self.hand_over_first()).await.is_err() {
                (may_wait, was_in_vain) = (false, true);
            }
            if self.first.take().is_some() {
                self.desk.lines.drop_one();
            }
        }
        was_in_vain.then_some(since)
    }

    /// Line by line, each connection has its turn: one that has many must not have all the room there is.
    async fn hand_over_first(&mut self) {
        let _turn = self.desk.turn.lock().await;
        while let Some(line) = self.first.take() {
            // From before the attempt on: nothing that makes room is missed.
            let settled = self.desk.lines.settled();
            if let Err(line) = self.desk.offer(line) {
                self.first = Some(line);
                settled.await;
            }
        }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Drop for Arrived<'_, I> {
    fn drop(&mut self) {
        while let Some(line) = self.next() {
            if self.desk.offer(line).is_err() {
                self.desk.lines.drop_one();
            }
        }
    }
}
