//! What a connection waits for beside its requests, and what seldom comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled when it was woken, and not whenever its task is. A timer and a channel take
/// locks to be asked, and nearly always it was a request that woke their task.
pub(super) struct Rarely<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    /// Whom the bell wakes.
    task: Option<Waker>,
}

/// What the future wakes.
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl<F: Future> Rarely<F> {
    /// One that has never been polled.
    pub(super) fn new(future: F) -> Self {
        let bell = Bell { rung: AtomicBool::new(true), task: Mutex::new(None) };
        Self { future: Box::pin(future), bell: Arc::new(bell), task: None }
    }
}

impl<F: Future> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if !this.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            // Before the bell is looked at: whoever rings it from now on wakes this task.
            this.task = Some(context.waker().clone());
            this.bell.set_task(context.waker().clone());
        }
        if !this.bell.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&this.bell));
        this.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Bell {
    fn set_task(&self, task: Waker) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use tokio::sync::Notify;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_polled_at_first_and_when_it_is_woken_and_no_more_often() {
        let polls = Cell::new(0);
        let start = Instant::now();
        let mut timer = pin!(sleep(Duration::from_secs(5)));
        let mut rarely = pin!(Rarely::new(poll_fn(|context| {
            polls.set(polls.get() + 1);
            timer.as_mut().poll(context)
        })));
        // Others wake the task a thousand times meanwhile.
        for _ in 0..1000 {
            tokio::select! {
                biased;
                () = rarely.as_mut() => panic!("it is not over"),
                () = sleep(Duration::from_millis(1)) => {}
            }
        }
        assert_eq!(polls.get(), 1);
        rarely.await;
        assert_eq!(polls.get(), 2);
        assert!(start.elapsed() >= Duration::from_secs(5));
    }

    #[tokio::test]
    async fn wakes_the_task_that_polled_it_last() {
        let notify = Arc::new(Notify::new());
        let notified = {
            let notify = Arc::clone(&notify);
            async move { notify.notified().await }
        };
        let mut rarely = Rarely::new(notified);
        // On this task, and then on another.
        let pending =
            poll_fn(|context| Poll::Ready(Pin::new(&mut rarely).poll(context).is_pending()));
        assert!(pending.await);
        let other = tokio::spawn(rarely);
        tokio::task::yield_now().await;
        notify.notify_one();
        other.await.unwrap();
    }
}
