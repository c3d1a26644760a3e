//! What is dear to find out, and asked for by several at once.

use std::fmt;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The last answer, and when it was begun to be looked for: whoever asked before that takes it as well.
/// So it is looked for once at a time, and twice for any number who ask at once.
pub(crate) struct Latest<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Latest<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What is so now, by `look` or by whoever looked since this was called.
    pub(crate) async fn of(&self, look: impl AsyncFnOnce() -> T) -> T {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((begun, found)) = &*last
            && *begun >= asked
        {
            return found.clone();
        }
        // Gone before another is made, which may be as large.
        *last = None;
        let begun = Instant::now();
        let found = look().await;
        *last = Some((begun, found.clone()));
        found
    }
}

impl<T> fmt::Debug for Latest<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Latest(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_asks_meanwhile_waits_for_one_that_began_later_and_all_for_the_same() {
        let (latest, looked, may_end) = (Latest::new(), Cell::new(0), Semaphore::new(0));
        let look = async || {
            looked.set(looked.get() + 1);
            may_end.acquire().await.unwrap().forget();
            looked.get()
        };
        let all = tokio::join!(
            latest.of(look),
            latest.of(look),
            latest.of(look),
            latest.of(look),
            async { may_end.add_permits(2) },
        );
        assert_eq!(all, (1, 2, 2, 2, ()));
        may_end.add_permits(1);
        assert_eq!(latest.of(look).await, 3);
    }
}
