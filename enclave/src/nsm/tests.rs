//! The thread, with a module that works but where a test says otherwise.

mod documents;
mod measured;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use nsm_device::{ErrorCode, NsmError, Request, Response};
use tokio::time::timeout;

use super::fake::{Answer, FakeNsm, answer, document_at, working};
use super::queue::Work;
use super::*;
use crate::clock::SystemClock;
use crate::health::HealthFault;

/// Calls of a module before the service is ready: a document, a register, the start-up test, and the two
/// registers of the configuration.
const START_UP_CALLS: usize = 2 + 4 + 2;

/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(60);

fn settings() -> NsmSettings {
    NsmSettings { prefetch: 0, deadline: BOUND, watchdog: BOUND, ..NsmSettings::default() }
}

async fn start(nsm: impl Nsm, settings: NsmSettings) -> Result<NsmThread, NsmFault> {
    let metrics = NsmMetrics::unregistered();
    let booted = NsmThread::start(nsm, SystemClock, &settings, None, metrics).await.unwrap();
    booted.map(|booted| booted.nsm)
}

async fn take(nsm: &NsmThread) -> Result<Block, NsmFault> {
    nsm.block(nsm.deadline()).await
}

/// Waits for what must come about.
async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, wait).await.expect("it never came about");
}

/// A module that answers so from the call of number `from` on, if it is asked for random bytes.
fn broken(
    from: usize,
    mut answer: impl FnMut() -> Answer + Send + 'static,
) -> FakeNsm<impl FnMut(usize, &Request) -> Option<Answer> + Send + 'static> {
    FakeNsm::new(move |call, request| {
        (call >= from && matches!(request, Request::GetRandom)).then(&mut answer)
    })
}

/// What a module may do instead of giving random bytes, and what comes of it.
fn faults() -> Vec<(fn() -> Answer, NsmFault)> {
    fn block(bytes: impl IntoIterator<Item = u8>) -> Answer {
        Ok(Response::GetRandom { random: bytes.into_iter().collect() })
    }
    vec![
        (|| Ok(Response::Error(ErrorCode::InternalError)), refused("InternalError")),
        (|| Ok(Response::Error(ErrorCode::InvalidArgument)), refused("InvalidArgument")),
        (|| Ok(Response::Error(ErrorCode::InvalidIndex)), refused("InvalidIndex")),
        (|| Ok(Response::Error(ErrorCode::InvalidResponse)), refused("InvalidResponse")),
        (|| Ok(Response::Error(ErrorCode::ReadOnlyIndex)), refused("ReadOnlyIndex")),
        (|| Ok(Response::Error(ErrorCode::InvalidOperation)), refused("InvalidOperation")),
        (|| Ok(Response::Error(ErrorCode::BufferTooSmall)), refused("BufferTooSmall")),
        (|| Ok(Response::Error(ErrorCode::InputTooLarge)), refused("InputTooLarge")),
        (|| Ok(Response::Error(ErrorCode::Success)), refused("Success")),
        (|| Ok(Response::LockPCR), NsmFault::UnexpectedResponse),
        (|| Err(NsmError::Malformed), NsmFault::Device(NsmError::Malformed)),
        (|| Err(NsmError::Ioctl { errno: 5 }), NsmFault::Device(NsmError::Ioctl { errno: 5 })),
        (|| block([]), length(0)),
        (|| block([7]), length(1)),
        (|| block((0..=254).rev()), length(255)),
        (|| block((0..=255).chain([0])), length(257)),
        (|| block([0; 256]), NsmFault::Unhealthy(HealthFault::RepetitionCount)),
        (|| block([0xff; 256]), NsmFault::Unhealthy(HealthFault::RepetitionCount)),
        (|| block(0..=255), NsmFault::Unhealthy(HealthFault::RepetitionCount)),
    ]
}

fn refused(code: &'static str) -> NsmFault {
    NsmFault::Refused { code }
}

fn length(length: usize) -> NsmFault {
    NsmFault::Unhealthy(HealthFault::Length { length })
}

#[tokio::test]
async fn gives_each_block_once() {
    for prefetch in [0, 1, 8] {
        let nsm = start(working(), NsmSettings { prefetch, ..settings() }).await.unwrap();
        let mut blocks = BTreeSet::new();
        for _ in 0..64 {
            assert!(blocks.insert(take(&nsm).await.unwrap().expose().to_vec()));
        }
        assert_eq!(nsm.fault(), None);
    }
}

#[tokio::test]
async fn tests_four_blocks_and_uses_none_of_them() {
    let given = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&given);
    let nsm = broken(0, move || {
        let block = answer(&Request::GetRandom);
        if let Response::GetRandom { random } = &block {
            noted.lock().unwrap().push(random.clone());
        }
        Ok(block)
    });
    let nsm = start(nsm, settings()).await.unwrap();
    let block = take(&nsm).await.unwrap();
    let given = given.lock().unwrap();
    assert_eq!(given.iter().position(|given| given == block.expose()), Some(4));
}

#[tokio::test]
async fn does_not_start_with_a_module_that_is_broken() {
    for (answer, fault) in faults() {
        assert_eq!(start(broken(0, answer), settings()).await.err(), Some(fault));
    }
}

#[tokio::test]
async fn does_not_start_with_a_module_that_breaks_within_the_start_up_test() {
    for (answer, fault) in faults() {
        let nsm = broken(START_UP_CALLS - 3, answer);
        assert_eq!(start(nsm, settings()).await.err(), Some(fault));
    }
}

#[tokio::test]
async fn does_not_start_without_the_time_or_its_own_measurement() {
    let no_time = FakeNsm::new(|_, request| match request {
        Request::Attestation { .. } => Some(Ok(Response::Attestation { document: vec![0x84] })),
        _ => None,
    });
    assert_eq!(start(no_time, settings()).await.err(), Some(NsmFault::NoTime));
    let no_document = FakeNsm::new(|_, request| match request {
        Request::Attestation { .. } => Some(Ok(Response::GetRandom { random: vec![7; 256] })),
        _ => None,
    });
    assert_eq!(start(no_document, settings()).await.err(), Some(NsmFault::UnexpectedResponse));
    let no_register = FakeNsm::new(|_, request| match request {
        Request::DescribePCR { .. } => Some(Ok(Response::Error(ErrorCode::InvalidIndex))),
        _ => None,
    });
    assert_eq!(start(no_register, settings()).await.err(), Some(refused("InvalidIndex")));
}

#[tokio::test]
async fn every_fault_reaches_the_caller_and_shows_by_then() {
    for (answer, fault) in faults() {
        let nsm = start(broken(START_UP_CALLS, answer), settings()).await.unwrap();
        assert_eq!(nsm.fault(), None);
        assert_eq!(take(&nsm).await.err(), Some(fault));
        assert_eq!(nsm.fault(), Some(fault));
        assert!(nsm.metrics.faults(&fault) >= 1, "{fault}");
    }
}

#[tokio::test]
async fn a_fault_shows_without_any_caller() {
    let settings = NsmSettings { prefetch: 1, ..settings() };
    let nsm = start(broken(START_UP_CALLS, || Err(NsmError::Malformed)), settings).await.unwrap();
    eventually(|| nsm.fault().is_some()).await;
    assert_eq!(nsm.fault(), Some(NsmFault::Device(NsmError::Malformed)));
}

#[tokio::test]
async fn a_fault_of_the_device_ends_when_it_works_again() {
    for asked in [true, false] {
        let works = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&works);
        let nsm = broken(START_UP_CALLS, move || match told.load(Ordering::SeqCst) {
            true => Ok(answer(&Request::GetRandom)),
            false => Err(NsmError::Malformed),
        });
        let nsm = start(nsm, settings()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(take(&nsm).await.err(), Some(NsmFault::Device(NsmError::Malformed)));
        }
        works.store(true, Ordering::SeqCst);
        if asked {
            take(&nsm).await.unwrap();
        }
        // Also where nobody asks, for it says that it is not ready.
        eventually(|| nsm.fault().is_none()).await;
    }
}

#[tokio::test]
async fn what_is_not_random_is_never_asked_again() {
    let mut calls = 0;
    let nsm = broken(START_UP_CALLS, move || {
        calls += 1;
        assert_eq!(calls, 1, "it was asked again");
        Ok(Response::GetRandom { random: vec![0; 256] })
    });
    let nsm = start(nsm, settings()).await.unwrap();
    let fault = NsmFault::Unhealthy(HealthFault::RepetitionCount);
    for _ in 0..3 {
        assert_eq!(take(&nsm).await.err(), Some(fault));
        assert_eq!(nsm.fault(), Some(fault));
    }
}

#[tokio::test]
async fn what_was_ready_is_not_given_once_a_test_has_failed() {
    let (go_on, told) = mpsc::channel::<()>();
    let mut good = 4;
    let nsm = broken(START_UP_CALLS, move || {
        if good == 0 {
            told.recv().unwrap();
            return Ok(Response::GetRandom { random: vec![0; 256] });
        }
        good -= 1;
        Ok(answer(&Request::GetRandom))
    });
    let nsm = start(nsm, NsmSettings { prefetch: 5, ..settings() }).await.unwrap();
    eventually(|| nsm.stock().0 >= 4).await;
    take(&nsm).await.unwrap();
    go_on.send(()).unwrap();
    eventually(|| nsm.fault().is_some()).await;
    let fault = NsmFault::Unhealthy(HealthFault::RepetitionCount);
    assert_eq!((take(&nsm).await.err(), nsm.stock().0), (Some(fault), 0));
}

#[tokio::test]
async fn the_same_block_twice_is_a_fault() {
    let block = answer(&Request::GetRandom);
    let Response::GetRandom { random } = block else { panic!("another answer") };
    let nsm = broken(START_UP_CALLS, move || Ok(Response::GetRandom { random: random.clone() }));
    let nsm = start(nsm, settings()).await.unwrap();
    take(&nsm).await.unwrap();
    let fault = NsmFault::Unhealthy(HealthFault::RepeatedOutput);
    assert_eq!(take(&nsm).await.err(), Some(fault));
}

#[tokio::test]
async fn a_caller_waits_until_its_deadline_and_not_for_a_call_that_is_stuck() {
    let (release, held) = mpsc::channel::<()>();
    let nsm = broken(START_UP_CALLS, move || {
        held.recv().unwrap_or_default();
        Ok(answer(&Request::GetRandom))
    });
    let deadline = Duration::from_millis(300);
    let nsm = start(nsm, NsmSettings { deadline, ..settings() }).await.unwrap();
    let fault = NsmFault::Deadline { deadline };
    // All wait for the same call: one thread is held.
    let (one, other) = tokio::join!(take(&nsm), take(&nsm));
    assert_eq!((one.err(), other.err()), (Some(fault), Some(fault)));
    assert_eq!(nsm.fault(), Some(fault));
    // It returns: its block is nobody's, or the next one's, and all is well.
    drop(release);
    eventually(|| nsm.fault().is_none()).await;
    take(&nsm).await.unwrap();
}

#[tokio::test]
async fn a_call_that_takes_longer_than_it_may_is_the_last() {
    let (release, held) = mpsc::channel::<()>();
    let nsm = broken(START_UP_CALLS, move || {
        held.recv().unwrap_or_default();
        Ok(answer(&Request::GetRandom))
    });
    let limit = Duration::from_secs(2);
    let nsm = start(nsm, NsmSettings { watchdog: limit, ..settings() }).await.unwrap();
    let fault = NsmFault::Stuck { limit };
    assert_eq!(take(&nsm).await.err(), Some(fault));
    drop(release);
    assert_eq!((take(&nsm).await.err(), nsm.fault()), (Some(fault), Some(fault)));
    assert_eq!(nsm.metrics.faults(&fault), 1);
}

#[tokio::test]
async fn does_not_wait_at_start_for_a_module_that_hangs() {
    let (_release, held) = mpsc::channel::<()>();
    let nsm = broken(0, move || {
        held.recv().unwrap_or_default();
        Err(NsmError::Malformed)
    });
    let limit = Duration::from_millis(20);
    let started = start(nsm, NsmSettings { watchdog: limit, ..settings() }).await;
    assert_eq!(started.err(), Some(NsmFault::Stuck { limit }));
}

#[test]
fn a_block_may_be_as_old_as_it_may_be_and_no_older() {
    let (max_age, made) = (Duration::from_secs(60), Instant::now());
    let queue =
        queue::Queue::<u8, (), ()>::new(Limits { ready: 2, max_age, waiting: 1, errands: 1 });
    queue.put(made, 7);
    let young = made + max_age - Duration::from_nanos(1);
    assert!(matches!(queue.take(young), Ok(Taken::Ready(7))));
    queue.put(made, 8);
    queue.put(made + Duration::from_nanos(1), 9);
    assert!(matches!(queue.take(made + max_age), Ok(Taken::Ready(9))));
    assert_eq!(queue.stock(), (0, 1));
}

#[tokio::test]
async fn a_block_that_is_too_old_is_replaced() {
    let max_age = Duration::from_millis(5);
    let settings = NsmSettings { prefetch: 3, max_age, ..settings() };
    let nsm = start(working(), settings).await.unwrap();
    // Nobody asks, and still they are replaced.
    eventually(|| nsm.stock().1 >= 9).await;
    take(&nsm).await.unwrap();
}

#[tokio::test]
async fn keeps_as_many_blocks_ready_as_it_is_told_to() {
    let nsm = start(working(), NsmSettings { prefetch: 3, ..settings() }).await.unwrap();
    eventually(|| nsm.stock().0 >= 3).await;
    let metrics = Arc::clone(&nsm.metrics);
    let calls = metrics.calls.get_random.get();
    for _ in 0..3 {
        take(&nsm).await.unwrap();
    }
    assert!(metrics.blocks.prefetched.get() >= 3);
    eventually(|| nsm.stock().0 >= 3).await;
    assert!(metrics.calls.get_random.get() >= calls + 3);
    // Each of them took some time, which is known once it has returned.
    eventually(|| metrics.calls.get_random.returned() >= calls + 3).await;
    assert!(metrics.calls.describe_pcr.returned() > 0);
}

#[tokio::test]
async fn a_thread_that_panics_leaves_nobody_waiting() {
    let nsm = broken(START_UP_CALLS, || panic!("a bug"));
    let nsm = start(nsm, settings()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(take(&nsm).await.err(), Some(NsmFault::ThreadEnded));
    }
    assert_eq!(nsm.fault(), Some(NsmFault::ThreadEnded));
    assert_eq!(nsm.metrics.faults(&NsmFault::ThreadEnded), 1);
}

#[tokio::test]
async fn a_thread_that_panics_at_start_does_not_start() {
    let nsm = broken(0, || panic!("a bug"));
    assert_eq!(start(nsm, settings()).await.err(), Some(NsmFault::ThreadEnded));
}

#[tokio::test]
async fn the_thread_ends_with_its_handle() {
    let (alive, ended) = mpsc::channel::<Infallible>();
    // Whatever the thread owns is dropped with it.
    let nsm = FakeNsm::new(move |_, _| {
        let _ = &alive;
        None
    });
    drop(start(nsm, settings()).await.unwrap());
    assert_eq!(ended.recv_timeout(BOUND), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[tokio::test]
async fn the_nsms_time_wins_over_the_systems_and_a_difference_is_counted() {
    for (hours, disagreements) in [(0, 0), (1, 1)] {
        let later = SystemClock.now().plus_secs(hours * 3600);
        let nsm = FakeNsm::new(move |_, request| match request {
            Request::Attestation { .. } => {
                Some(Ok(Response::Attestation { document: document_at(later) }))
            }
            _ => None,
        });
        let metrics = NsmMetrics::unregistered();
        let settings = settings();
        let booted = NsmThread::start(nsm, SystemClock, &settings, None, Arc::clone(&metrics));
        let clock = booted.await.unwrap().unwrap().clock;
        assert!(clock.now() >= later && clock.now() < later.plus_secs(60));
        assert_eq!(metrics.clock_disagreements(), disagreements);
    }
}

/// Who attends to a module, and what it keeps.
struct Attended<N: Nsm> {
    attendant: Attendant<N, SystemClock>,
    clock: Arc<TrustedClock<SystemClock>>,
    queue: Arc<Queue>,
    metrics: Arc<NsmMetrics>,
}

fn attended<N: Nsm>(nsm: N) -> Attended<N> {
    let metrics = NsmMetrics::unregistered();
    let flight = Flight::watch(BOUND, Pauses::of_process(), || ()).unwrap();
    let mut device = Device::new(nsm, flight, Arc::clone(&metrics));
    let (clock, _) =
        attendant::boot(&mut device, SystemClock, None, &metrics, Pauses::of_process()).unwrap();
    let (clock, queue) = (Arc::new(clock), Arc::new(queue_of(1)));
    let attendant =
        Attendant::new(device, Arc::clone(&queue), Arc::clone(&clock), Arc::clone(&metrics));
    Attended { attendant, clock, queue, metrics }
}

fn queue_of(waiting: usize) -> Queue {
    Queue::new(Limits { ready: 0, max_age: BOUND, waiting, errands: 1 })
}

#[tokio::test]
async fn the_clock_is_anchored_anew_when_that_is_due() {
    let Attended { attendant, clock, queue, metrics } = attended(working());
    let due = clock.due();
    assert_eq!(attendant.anchor_at(), due);
    clock.expire();
    let thread = thread::spawn(move || attendant.run());
    eventually(|| metrics.calls.attestation.get() >= 2 && clock.due() != due).await;
    queue.close();
    thread.join().unwrap();
    assert_eq!(metrics.calls.attestation.get(), 2);
}

#[tokio::test]
async fn the_clock_is_anchored_anew_after_a_pause_and_before_any_block() {
    let Attended { attendant, clock, queue, metrics } = attended(working());
    Pauses::of_process().make_up();
    let mut place = match queue.take(Instant::now()) {
        Ok(Taken::Wait(place)) => place,
        other => panic!("{other:?}"),
    };
    let blocks = metrics.calls.get_random.get();
    let thread = thread::spawn(move || attendant.run());
    assert!((&mut place).await.unwrap().is_ok());
    assert_eq!(clock.check(), Ok(()));
    queue.close();
    thread.join().unwrap();
    assert_eq!(metrics.calls.attestation.get(), 2);
    assert!(metrics.calls.get_random.get() > blocks);
}

#[test]
fn an_anchoring_that_a_pause_cut_is_tried_again_at_once() {
    let (pauses, mut documents) = (Pauses::of_process(), 0);
    let nsm = FakeNsm::new(move |_, request| {
        documents += usize::from(matches!(request, Request::Attestation { .. }));
        if documents == 2 && matches!(request, Request::Attestation { .. }) {
            pauses.make_up();
            thread::sleep(Duration::from_millis(1001));
        }
        None
    });
    let Attended { mut attendant, clock, queue, metrics } = attended(nsm);
    attendant.anchor();
    assert_eq!((clock.check(), queue.condition()), (Ok(()), Condition::Good));
    assert_eq!(metrics.calls.attestation.get(), 3);
}

#[tokio::test]
async fn a_caller_that_waits_across_a_pause_is_given_its_time_once_more() {
    let deadline = Duration::from_secs(1);
    let (release, released) = mpsc::channel();
    let nsm = broken(START_UP_CALLS, move || {
        released.recv_timeout(BOUND).unwrap();
        Ok(answer(&Request::GetRandom))
    });
    let nsm = start(nsm, NsmSettings { deadline, ..settings() }).await.unwrap();
    for paused in [true, false] {
        tokio::time::pause();
        let mut wait = std::pin::pin!(take(&nsm));
        assert!(is_pending(wait.as_mut()).await);
        if paused {
            Pauses::of_process().make_up();
        }
        tokio::time::advance(deadline + Duration::from_millis(1)).await;
        assert_eq!(is_pending(wait.as_mut()).await, paused);
        tokio::time::resume();
        if paused {
            release.send(()).unwrap();
            assert!(wait.await.is_ok());
            assert_eq!(nsm.fault(), None);
        } else {
            assert_eq!(nsm.fault(), Some(NsmFault::Deadline { deadline }));
        }
    }
    drop(release);
}

/// Whether it is still pending when it has been polled.
async fn is_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
    })
    .await
}

#[test]
fn the_next_anchoring_is_due_by_the_last_one() {
    let Attended { mut attendant, clock, .. } = attended(working());
    attendant.anchor();
    assert_eq!(attendant.anchor_at(), clock.due());
}

#[test]
fn an_anchoring_that_fails_shows_is_counted_and_is_tried_again_soon() {
    let mut documents = 0;
    let nsm = FakeNsm::new(move |_, request| {
        documents += usize::from(matches!(request, Request::Attestation { .. }));
        (documents > 1).then_some(Err(NsmError::Malformed))
    });
    let Attended { mut attendant, clock, queue, metrics } = attended(nsm);
    let due = clock.due();
    attendant.anchor();
    let fault = NsmFault::Device(NsmError::Malformed);
    assert_eq!((queue.condition(), metrics.faults(&fault)), (Condition::Faulty(fault), 1));
    assert_eq!(clock.due(), due);
    clock.expire();
    assert!(attendant.anchor_at() <= Instant::now() + Duration::from_secs(1));
    // It tells more than that somebody waited too long.
    queue.put(Instant::now(), Block::new(vec![0; 256].into()));
    queue.overdue(NsmFault::Full);
    attendant.anchor();
    queue.overdue(NsmFault::Full);
    assert_eq!(queue.condition(), Condition::Faulty(fault));
}

#[test]
fn the_clock_is_anchored_however_many_wait_for_blocks() {
    let queue = queue_of(1);
    let _place = queue.take(Instant::now());
    let now = Instant::now();
    assert!(matches!(queue.work(now, true), Work::Tick));
    assert!(matches!(queue.work(now + BOUND, true), Work::Block));
}

#[tokio::test]
async fn a_line_that_is_full_shows_by_the_time_that_a_caller_is_told() {
    let (queue, metrics) = (Arc::new(queue_of(0)), NsmMetrics::unregistered());
    let flight = Arc::new(Flight::unwatched(BOUND, Pauses::of_process(), || ()));
    let nsm = NsmThread { queue, flight, patience: BOUND, pauses: Pauses::of_process(), metrics };
    assert_eq!(take(&nsm).await.err(), Some(NsmFault::Full));
    assert_eq!(nsm.fault(), Some(NsmFault::Full));
}

#[tokio::test]
async fn a_document_that_takes_as_long_as_a_call_that_is_stuck_ends_it_as_well() {
    let Attended { clock, metrics, .. } = attended(working());
    let queue = Arc::new(queue_of(0));
    let (latched, fault) = (Arc::clone(&queue), NsmFault::Stuck { limit: Duration::ZERO });
    // Nobody notices in time: every call is too long by itself.
    let flight =
        Flight::unwatched(Duration::ZERO, Pauses::of_process(), move || latched.latch(fault));
    let device = Device::new(working(), Arc::new(flight), Arc::clone(&metrics));
    clock.expire();
    let attendant = Attendant::new(device, Arc::clone(&queue), clock, metrics);
    let thread = thread::spawn(move || attendant.run());
    eventually(|| queue.condition() == Condition::Latched(fault)).await;
    thread.join().unwrap();
}
