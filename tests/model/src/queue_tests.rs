use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loom::future::block_on;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::queue::{Condition, Limits, NotTaken, Queue, Taken, Work};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// A block that says when it is wiped.
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

/// Every order in which a thread is interrupted three times at most, which is where mistakes of this
/// kind are found; all orders take minutes.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

type Blocks = Arc<Queue<Block, Fault, Errand>>;

/// Something to do, and whom to tell.
type Errand = oneshot::Sender<()>;

fn queue(ready: usize) -> Blocks {
    Arc::new(Queue::new(Limits { ready, max_age: LONG, waiting: 8, errands: 1 }))
}

/// Makes what is asked for, until it is to end; gives how many blocks it made.
fn produce(queue: &Blocks, wiped: &std::sync::Arc<AtomicUsize>) -> JoinHandle<usize> {
    let (queue, wiped) = (Arc::clone(queue), std::sync::Arc::clone(wiped));
    thread::spawn(move || {
        let mut made = 0;
        loop {
            match queue.work(Instant::now() + LONG, true) {
                Work::Block => {
                    queue.put(Instant::now(), Block { number: made, wiped: wiped.clone() });
                    made += 1;
                }
                Work::Errand(errand) => drop(errand.send(())),
                Work::End => return made,
                Work::Tick => panic!("it is never time"),
            }
        }
    })
}

/// Takes one, waiting if it must.
fn take(queue: &Blocks) -> Result<Block, Fault> {
    match queue.take(Instant::now()) {
        Ok(Taken::Ready(block)) => Ok(block),
        Ok(Taken::Wait(place)) => block_on(place).expect("an answer"),
        Err(NotTaken::Latched(fault)) => Err(fault),
        Err(NotTaken::Full) => panic!("there is room"),
    }
}

#[test]
fn every_caller_gets_a_block_of_its_own_and_what_is_left_is_wiped() {
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
fn a_caller_that_leaves_costs_nobody_their_block() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let producer = produce(&queue, &wiped);
        let other = Arc::clone(&queue);
        // It stands in the line and leaves it, before or after it was served.
        let leaver = thread::spawn(move || drop(other.take(Instant::now())));
        take(&queue).unwrap();
        leaver.join().unwrap();
        queue.close();
        let made = producer.join().unwrap();
        drop(queue);
        assert_eq!(wiped.load(Ordering::SeqCst), made);
    });
}

#[test]
fn a_fault_reaches_all_who_wait_and_those_who_come_after_try_again() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let (device, wipes) = (Arc::clone(&queue), std::sync::Arc::clone(&wiped));
        // It fails once, and works from then on.
        let producer = thread::spawn(move || {
            let tick = Instant::now() + LONG;
            assert!(matches!(device.work(tick, false), Work::Block));
            device.fail(Fault::Broken);
            while let Work::Block = device.work(tick, false) {
                device.put(Instant::now(), Block { number: 0, wiped: wipes.clone() });
            }
        });
        let other = Arc::clone(&queue);
        let caller = thread::spawn(move || take(&other).map(|block| block.number));
        let outcomes = [take(&queue).map(|block| block.number), caller.join().unwrap()];
        assert!(outcomes.contains(&Err(Fault::Broken)), "{outcomes:?}");
        assert_eq!(take(&queue).map(|block| block.number), Ok(0));
        assert_eq!(queue.condition(), Condition::Good);
        assert_eq!(queue.stock(), (0, 0));
        queue.close();
        producer.join().unwrap();
    });
}

#[test]
fn once_latched_nobody_gets_a_block_and_the_first_cause_stays() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(1);
        let producer = produce(&queue, &wiped);
        let watchdog = Arc::clone(&queue);
        let watchdog = thread::spawn(move || watchdog.latch(Fault::Unhealthy));
        // Before it is latched a block may come; never is anybody left waiting.
        let before = take(&queue).map(drop);
        assert!(matches!(before, Ok(()) | Err(Fault::Unhealthy)));
        watchdog.join().unwrap();
        queue.fail(Fault::Broken);
        queue.latch(Fault::Broken);
        queue.overdue(Fault::Broken);
        queue.report(Fault::Broken);
        assert_eq!(queue.condition(), Condition::Latched(Fault::Unhealthy));
        // The producer ends, although nobody closed anything, and what it had made is gone.
        let made = producer.join().unwrap();
        assert_eq!(wiped.load(Ordering::SeqCst), made);
        queue.put(Instant::now(), Block { number: 9, wiped: wiped.clone() });
        assert_eq!(take(&queue).unwrap_err(), Fault::Unhealthy);
    });
}

#[test]
fn a_caller_that_waits_when_it_is_latched_is_told() {
    model(|| {
        let queue = queue(0);
        let place = place(&queue);
        let watchdog = Arc::clone(&queue);
        let watchdog = thread::spawn(move || watchdog.latch(Fault::Unhealthy));
        assert_eq!(block_on(place).unwrap().unwrap_err(), Fault::Unhealthy);
        watchdog.join().unwrap();
    });
}

#[test]
fn a_fault_that_is_reported_has_the_thread_see_whether_it_is_over() {
    model(|| {
        let queue = queue(0);
        let device = Arc::clone(&queue);
        let thread = thread::spawn(move || device.work(Instant::now() + LONG, true));
        queue.report(Fault::Unhealthy);
        queue.overdue(Fault::Broken);
        assert_eq!(queue.condition(), Condition::Faulty(Fault::Unhealthy));
        assert!(matches!(thread.join().unwrap(), Work::Block));
    });
}

/// A place in the line of a queue that has no block.
fn place(queue: &Queue<Block, Fault, Errand>) -> oneshot::Receiver<Result<Block, Fault>> {
    match queue.take(Instant::now()) {
        Ok(Taken::Wait(place)) => place,
        other => panic!("there is no block yet: {other:?}"),
    }
}

#[test]
fn the_block_of_who_left_goes_to_the_next_in_line_and_no_other_is_made() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let leaver = place(&queue);
        let mut next = place(&queue);
        drop(leaver);
        queue.put(Instant::now(), Block { number: 0, wiped: wiped.clone() });
        let block = next.try_recv().unwrap().unwrap();
        assert_eq!((block.number, wiped.load(Ordering::SeqCst)), (0, 0));
    });
}

#[test]
fn the_block_of_who_leaves_after_it_was_served_is_wiped() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let (leaver, mut next) = (place(&queue), place(&queue));
        queue.put(Instant::now(), Block { number: 0, wiped: wiped.clone() });
        drop(leaver);
        assert_eq!(wiped.load(Ordering::SeqCst), 1);
        assert_eq!(next.try_recv().unwrap_err(), TryRecvError::Empty);
    });
}

#[test]
fn a_caller_that_was_overdue_has_the_thread_see_whether_it_is_over() {
    model(|| {
        let queue = queue(0);
        let device = Arc::clone(&queue);
        // Nobody waits, and nothing is to be kept ready.
        let thread = thread::spawn(move || device.work(Instant::now() + LONG, true));
        queue.overdue(Fault::Broken);
        assert!(matches!(thread.join().unwrap(), Work::Block));
    });
}

#[test]
fn a_fault_is_told_to_all_in_the_line() {
    model(|| {
        let queue = queue(0);
        let places = [place(&queue), place(&queue), place(&queue)];
        queue.fail(Fault::Broken);
        for mut place in places {
            assert_eq!(place.try_recv().unwrap().unwrap_err(), Fault::Broken);
        }
    });
}

#[test]
fn those_who_left_take_up_no_room_in_the_line() {
    model(|| {
        let limits = Limits { ready: 0, max_age: LONG, waiting: 1, errands: 0 };
        let queue = Queue::<Block, Fault, Errand>::new(limits);
        let Ok(Taken::Wait(mut first)) = queue.take(Instant::now()) else { panic!("no place") };
        assert!(matches!(queue.take(Instant::now()), Err(NotTaken::Full)));
        assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Empty);
        drop(first);
        assert!(matches!(queue.take(Instant::now()), Ok(Taken::Wait(_))));
    });
}

#[test]
fn an_errand_is_done_or_refused_or_dropped_and_nobody_waits_for_ever() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let producer = produce(&queue, &wiped);
        let watchdog = Arc::clone(&queue);
        let (errand, done) = oneshot::channel();
        queue.send(errand).unwrap();
        let watchdog = thread::spawn(move || watchdog.latch(Fault::Unhealthy));
        // Its end is told either way.
        drop(block_on(done));
        watchdog.join().unwrap();
        producer.join().unwrap();
        let (errand, done) = oneshot::channel();
        assert_eq!(queue.send(errand), Err(NotTaken::Latched(Fault::Unhealthy)));
        block_on(done).unwrap_err();
    });
}

#[test]
fn an_errand_wakes_the_thread_and_a_block_is_not_forgotten_over_it() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(0);
        let producer = produce(&queue, &wiped);
        let other = Arc::clone(&queue);
        let caller = thread::spawn(move || take(&other).unwrap().number);
        let (errand, done) = oneshot::channel();
        queue.send(errand).unwrap();
        block_on(done).unwrap();
        assert_eq!(caller.join().unwrap(), 0);
        queue.close();
        assert_eq!(producer.join().unwrap(), 1);
    });
}

#[test]
fn errands_are_bounded_and_dropped_at_the_end() {
    model(|| {
        let queue = queue(0);
        let [(one, mut kept), (other, refused)] = [oneshot::channel(), oneshot::channel()];
        queue.send(one).unwrap();
        assert_eq!(queue.send(other), Err(NotTaken::Full));
        block_on(refused).unwrap_err();
        assert_eq!(kept.try_recv().unwrap_err(), TryRecvError::Empty);
        queue.close();
        assert_eq!(kept.try_recv().unwrap_err(), TryRecvError::Closed);
    });
}

#[test]
fn a_thread_that_sleeps_is_woken_before_more_than_half_of_what_was_ready_is_gone() {
    model(|| {
        let wiped = std::sync::Arc::new(AtomicUsize::new(0));
        let queue = queue(3);
        for number in 0..3 {
            queue.put(Instant::now(), Block { number, wiped: wiped.clone() });
        }
        let device = Arc::clone(&queue);
        let thread = thread::spawn(move || device.work(Instant::now() + LONG, true));
        drop((take(&queue).unwrap(), take(&queue).unwrap()));
        // It would sleep for ever, with one that is ready and nobody who waits.
        assert!(matches!(thread.join().unwrap(), Work::Block));
    });
}
