//! Lines that were read at a time, on their way to the sink's thread.

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
    /// together no longer than the desk's patience, and then not again before a line has found room.
    /// Gives whether those that follow may wait.
    pub(super) async fn hand_over(mut self, mut may_wait: bool) -> bool {
        let deadline = Instant::now() + self.desk.patience;
        while let Some(line) = self.next() {
            // From before the attempt on: nothing that makes room is missed.
            let settled = self.desk.lines.settled();
            match self.desk.offer(line) {
                Ok(()) => may_wait = true,
                Err(line) if may_wait => {
                    self.first = Some(line);
                    may_wait = timeout_at(deadline, settled).await.is_ok();
                }
                Err(_) => self.desk.lines.drop_one(),
            }
        }
        may_wait
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
