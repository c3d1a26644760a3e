//! A handler that panics ends its own request and nothing else.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// It panicked. The panic's own message is on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Does `work`; what it holds is free again also if it panics.
///
/// What requests share is either whole after each step or poisoned, and then says so by itself: a DRBG
/// that was left half-way is not used again.
pub(super) async fn caught<F: Future>(work: F) -> Result<F::Output, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn what_panics_at_once_or_later_says_so_and_holds_nothing() {
        let places = Semaphore::new(1);
        for waits in [0, 3] {
            let panics = async {
                let _place = places.acquire().await.unwrap();
                for _ in 0..waits {
                    yield_now().await;
                }
                panic!("on purpose");
            };
            assert_eq!(caught::<_>(panics).await, Err::<(), _>(Panicked));
            assert_eq!(places.available_permits(), 1);
        }
        assert_eq!(caught(async { yield_now().await }).await, Ok(()));
    }
}
