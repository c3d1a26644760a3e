use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loom::future::block_on;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::queue::{Delivery, DeviceStatus, Limits, Queue, QueueError, Work};

/// A duration that is longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// A block that increments `wiped` when it is dropped.
#[derive(Debug)]
struct Block {
    number: usize,
    wiped: std::sync::Arc<AtomicUsize>,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.wiped.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Broken,
    Unhealthy,
}

/// Runs the steps of `run` in all orders with at most three preemptions. These orders find most concurrency
/// errors. All possible orders would take minutes.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

type TestQueue = Arc<Queue<Block, Fault, Task>>;

/// A task that reports its completion.
type Task = oneshot::Sender<()>;

fn queue(ready: usize) -> TestQueue {
    Arc::new(Queue::new(Limits { ready, max_age: LONG, waiting: 8, tasks: 1 }))
}

/// Starts a worker that runs until the queue stops it. The thread returns the number of blocks that the
/// worker made.
fn produce(queue: &TestQueue, wiped: &std::sync::Arc<AtomicUsize>) -> JoinHandle<usize> {
    let (queue, wiped) = (Arc::clone(queue), std::sync::Arc::clone(wiped));
    thread::spawn(move || {
        let mut made = 0;
        loop {
            match queue.next_work(Instant::now() + LONG, true) {
                Work::FetchBlock => {
                    queue.put(Instant::now(), Block { number: made, wiped: wiped.clone() });
                    made += 1;
                }
                Work::Task(task) => drop(task.send(())),
                Work::Stop => return made,
                Work::Tick => panic!("the tick is an hour away"),
            }
        }
    })
}

/// Returns a block. Waits if no block is ready.
fn take(queue: &TestQueue) -> Result<Block, Fault> {
    match queue.take(Instant::now()) {
        Ok(Delivery::Ready(block)) => Ok(block),
        Ok(Delivery::Pending(receiver)) => block_on(receiver).expect("a response"),
        Err(QueueError::Latched(fault)) => Err(fault),
        Err(QueueError::Full) => panic!("the queue has room"),
    }
}

#[test]
fn each_caller_receives_its_own_block_and_the_rest_are_wiped() {
    for ready in [0, 1] {
        model(move || {
            let wiped = std::sync::Arc::new(AtomicUsize::new(0));
            let queue = queue(ready);
            let producer = produce(&queue, &wiped);
            let other = Arc::clone(&queue);
            let caller = thread::spawn(move || take(&other).unwrap().number);
            let own = take(&queue).unwrap().number;
            assert_ne!(own, caller.join().unwrap());
            queue.close();
            let made = producer.join().unwrap();
            assert!((2..=2 + 2 * ready).contains(&made), "{made}");
            drop(queue);
            assert_eq!(wiped.load(Ordering::SeqCst), made);
        });
    }
}

#[test]
fn cancelled_caller_does_not_consume_another_callers_block() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let producer = produce(&queue, &wiped);
        let other = Arc::clone(&queue);
        // The caller stops waiting, before or after it has received a block.
        let cancelled = thread::spawn(move || drop(other.take(Instant::now())));
        take(&queue).unwrap();
        cancelled.join().unwrap();
        queue.close();
        let made = producer.join().unwrap();
        drop(queue);
        assert_eq!(wiped.load(Ordering::SeqCst), made);
    });
}

#[test]
fn later_callers_retry_after_a_fault() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let (device, wipes) = (Arc::clone(&queue), std::sync::Arc::clone(&wiped));
        // This worker fails once, and then works.
        let producer = thread::spawn(move || {
            let tick = Instant::now() + LONG;
            assert!(matches!(device.next_work(tick, false), Work::FetchBlock));
            device.fail(Fault::Broken);
            while let Work::FetchBlock = device.next_work(tick, false) {
                device.put(Instant::now(), Block { number: 0, wiped: wipes.clone() });
            }
        });
        let other = Arc::clone(&queue);
        let caller = thread::spawn(move || take(&other).map(|block| block.number));
        let outcomes = [take(&queue).map(|block| block.number), caller.join().unwrap()];
        assert!(outcomes.contains(&Err(Fault::Broken)), "{outcomes:?}");
        assert_eq!(take(&queue).map(|block| block.number), Ok(0));
        assert_eq!(queue.status(), DeviceStatus::Working);
        assert_eq!(queue.block_counts(), (0, 0));
        queue.close();
        producer.join().unwrap();
    });
}

#[test]
fn latched_queue_returns_the_first_fault() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(1);
        let producer = produce(&queue, &wiped);
        let watchdog = Arc::clone(&queue);
        let watchdog = thread::spawn(move || watchdog.latch(Fault::Unhealthy));
        // The block may arrive before the latch. In both cases, the caller does not wait forever.
        let before = take(&queue).map(drop);
        assert!(matches!(before, Ok(()) | Err(Fault::Unhealthy)));
        watchdog.join().unwrap();
        queue.fail(Fault::Broken);
        queue.latch(Fault::Broken);
        queue.record_timeout(Fault::Broken);
        queue.record_fault(Fault::Broken);
        assert_eq!(queue.status(), DeviceStatus::Latched(Fault::Unhealthy));
        // The worker ends although the queue is not closed. The prefetched blocks must be dropped.
        let made = producer.join().unwrap();
        assert_eq!(wiped.load(Ordering::SeqCst), made);
        queue.put(Instant::now(), Block { number: 9, wiped: wiped.clone() });
        assert_eq!(take(&queue).unwrap_err(), Fault::Unhealthy);
    });
}

#[test]
fn latch_fails_a_waiting_caller() {
    model(|| {
        let queue = queue(0);
        let receiver = waiting_caller(&queue);
        let watchdog = Arc::clone(&queue);
        let watchdog = thread::spawn(move || watchdog.latch(Fault::Unhealthy));
        assert_eq!(block_on(receiver).unwrap().unwrap_err(), Fault::Unhealthy);
        watchdog.join().unwrap();
    });
}

#[test]
fn recorded_fault_makes_the_worker_fetch_a_block() {
    model(|| {
        let queue = queue(0);
        let device = Arc::clone(&queue);
        let thread = thread::spawn(move || device.next_work(Instant::now() + LONG, true));
        queue.record_fault(Fault::Unhealthy);
        queue.record_timeout(Fault::Broken);
        assert_eq!(queue.status(), DeviceStatus::Faulty(Fault::Unhealthy));
        assert!(matches!(thread.join().unwrap(), Work::FetchBlock));
    });
}

/// Returns the receiver of a caller that waits. The queue must not have a block.
fn waiting_caller(queue: &Queue<Block, Fault, Task>) -> oneshot::Receiver<Result<Block, Fault>> {
    match queue.take(Instant::now()) {
        Ok(Delivery::Pending(receiver)) => receiver,
        other => panic!("the queue has no block: {other:?}"),
    }
}

#[test]
fn block_of_a_cancelled_caller_goes_to_the_next() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let cancelled = waiting_caller(&queue);
        let mut next = waiting_caller(&queue);
        drop(cancelled);
        queue.put(Instant::now(), Block { number: 0, wiped: wiped.clone() });
        let block = next.try_recv().unwrap().unwrap();
        assert_eq!((block.number, wiped.load(Ordering::SeqCst)), (0, 0));
    });
}

#[test]
fn block_of_a_caller_that_leaves_later_is_wiped() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let (cancelled, mut next) = (waiting_caller(&queue), waiting_caller(&queue));
        queue.put(Instant::now(), Block { number: 0, wiped: wiped.clone() });
        drop(cancelled);
        assert_eq!(wiped.load(Ordering::SeqCst), 1);
        assert_eq!(next.try_recv().unwrap_err(), TryRecvError::Empty);
    });
}

#[test]
fn timeout_makes_the_worker_fetch_a_block() {
    model(|| {
        let queue = queue(0);
        let device = Arc::clone(&queue);
        // No caller waits, and no block is prefetched.
        let thread = thread::spawn(move || device.next_work(Instant::now() + LONG, true));
        queue.record_timeout(Fault::Broken);
        assert!(matches!(thread.join().unwrap(), Work::FetchBlock));
    });
}

#[test]
fn fault_reaches_all_waiting_callers() {
    model(|| {
        let queue = queue(0);
        let receivers = [waiting_caller(&queue), waiting_caller(&queue), waiting_caller(&queue)];
        queue.fail(Fault::Broken);
        for mut receiver in receivers {
            assert_eq!(receiver.try_recv().unwrap().unwrap_err(), Fault::Broken);
        }
    });
}

#[test]
fn cancelled_callers_free_their_queue_slots() {
    model(|| {
        let limits = Limits { ready: 0, max_age: LONG, waiting: 1, tasks: 0 };
        let queue = Queue::<Block, Fault, Task>::new(limits);
        let Ok(Delivery::Pending(mut first)) = queue.take(Instant::now()) else {
            panic!("no receiver")
        };
        assert!(matches!(queue.take(Instant::now()), Err(QueueError::Full)));
        assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Empty);
        drop(first);
        assert!(matches!(queue.take(Instant::now()), Ok(Delivery::Pending(_))));
    });
}

#[test]
fn task_is_run_rejected_or_dropped() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let producer = produce(&queue, &wiped);
        let watchdog = Arc::clone(&queue);
        let (task, done) = oneshot::channel();
        queue.submit(task).unwrap();
        let watchdog = thread::spawn(move || watchdog.latch(Fault::Unhealthy));
        // The task may be completed or dropped.
        drop(block_on(done));
        watchdog.join().unwrap();
        producer.join().unwrap();
        let (task, done) = oneshot::channel();
        assert_eq!(queue.submit(task), Err(QueueError::Latched(Fault::Unhealthy)));
        block_on(done).unwrap_err();
    });
}

#[test]
fn task_wakes_the_worker_and_blocks_are_still_fetched() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let producer = produce(&queue, &wiped);
        let other = Arc::clone(&queue);
        let caller = thread::spawn(move || take(&other).unwrap().number);
        let (task, done) = oneshot::channel();
        queue.submit(task).unwrap();
        block_on(done).unwrap();
        assert_eq!(caller.join().unwrap(), 0);
        queue.close();
        assert_eq!(producer.join().unwrap(), 1);
    });
}

#[test]
fn tasks_are_limited_and_dropped_at_close() {
    model(|| {
        let queue = queue(0);
        let [(one, mut kept), (other, rejected)] = [oneshot::channel(), oneshot::channel()];
        queue.submit(one).unwrap();
        assert_eq!(queue.submit(other), Err(QueueError::Full));
        block_on(rejected).unwrap_err();
        assert_eq!(kept.try_recv().unwrap_err(), TryRecvError::Empty);
        queue.close();
        assert_eq!(kept.try_recv().unwrap_err(), TryRecvError::Closed);
    });
}

#[test]
fn worker_wakes_when_half_of_the_blocks_are_gone() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(3);
        for number in 0..3 {
            queue.put(Instant::now(), Block { number, wiped: wiped.clone() });
        }
        let device = Arc::clone(&queue);
        let thread = thread::spawn(move || device.next_work(Instant::now() + LONG, true));
        drop((take(&queue).unwrap(), take(&queue).unwrap()));
        // Without the wake-up, the worker would sleep forever. One block is still ready, so no caller waits
        // and wakes the worker.
        assert!(matches!(thread.join().unwrap(), Work::FetchBlock));
    });
}
