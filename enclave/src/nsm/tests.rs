//! Tests of the NSM thread with a test NSM, which works unless a test overrides a call.

mod documents;
mod measured;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use nsm_device::{ErrorCode, NsmError, Request, Response};
use tokio::time::timeout;

use super::queue::Work;
use super::test_nsm::{CallResult, TestNsm, default_response, document_at, working};
use super::*;
use crate::clock::SystemClock;
use crate::health::HealthFault;

/// Number of calls during the start: one document, PCR0, four start-up blocks, and the locks of the two
/// PCRs of the configuration.
const START_UP_CALLS: usize = 2 + 4 + 2;

/// Longer than any wait in these tests.
const BOUND: Duration = Duration::from_secs(60);

fn settings() -> NsmSettings {
    NsmSettings { prefetch: 0, deadline: BOUND, watchdog: BOUND, ..NsmSettings::default() }
}

async fn start(nsm: impl Nsm, settings: NsmSettings) -> Result<NsmHandle, NsmFault> {
    let metrics = NsmMetrics::unregistered();
    let started = NsmHandle::start(nsm, SystemClock, &settings, None, metrics).await.unwrap();
    started.map(|started| started.nsm)
}

async fn take(nsm: &NsmHandle) -> Result<Block, NsmFault> {
    nsm.block(nsm.deadline()).await
}

/// Waits until `condition` holds.
async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, wait).await.expect("the condition does not hold");
}

/// Returns an NSM that responds with `answer` to requests for random bytes, from call number `from` on.
fn nsm_failing_from(
    from: usize,
    mut answer: impl FnMut() -> CallResult + Send + 'static,
) -> TestNsm<impl FnMut(usize, &Request) -> Option<CallResult> + Send + 'static> {
    TestNsm::new(move |call, request| {
        (call >= from && matches!(request, Request::GetRandom)).then(&mut answer)
    })
}

/// Returns faulty responses to a request for random bytes, with the fault that each response causes.
fn faults() -> Vec<(fn() -> CallResult, NsmFault)> {
    fn block(bytes: impl IntoIterator<Item = u8>) -> CallResult {
        Ok(Response::GetRandom { random: bytes.into_iter().collect() })
    }
    vec![
        (|| Ok(Response::Error(ErrorCode::InternalError)), error_response("InternalError")),
        (|| Ok(Response::Error(ErrorCode::InvalidArgument)), error_response("InvalidArgument")),
        (|| Ok(Response::Error(ErrorCode::InvalidIndex)), error_response("InvalidIndex")),
        (|| Ok(Response::Error(ErrorCode::InvalidResponse)), error_response("InvalidResponse")),
        (|| Ok(Response::Error(ErrorCode::ReadOnlyIndex)), error_response("ReadOnlyIndex")),
        (|| Ok(Response::Error(ErrorCode::InvalidOperation)), error_response("InvalidOperation")),
        (|| Ok(Response::Error(ErrorCode::BufferTooSmall)), error_response("BufferTooSmall")),
        (|| Ok(Response::Error(ErrorCode::InputTooLarge)), error_response("InputTooLarge")),
        (|| Ok(Response::Error(ErrorCode::Success)), error_response("Success")),
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

fn error_response(code: &'static str) -> NsmFault {
    NsmFault::ErrorResponse { code }
}

fn length(length: usize) -> NsmFault {
    NsmFault::Unhealthy(HealthFault::Length { length })
}

#[tokio::test]
async fn returns_each_block_once() {
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
async fn start_up_blocks_are_not_used() {
    let returned = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&returned);
    let nsm = nsm_failing_from(0, move || {
        let block = default_response(&Request::GetRandom);
        if let Response::GetRandom { random } = &block {
            recorded.lock().unwrap().push(random.clone());
        }
        Ok(block)
    });
    let nsm = start(nsm, settings()).await.unwrap();
    let block = take(&nsm).await.unwrap();
    let returned = returned.lock().unwrap();
    assert_eq!(returned.iter().position(|returned| returned == block.expose()), Some(4));
}

#[tokio::test]
async fn start_fails_with_a_faulty_nsm() {
    for (answer, fault) in faults() {
        assert_eq!(start(nsm_failing_from(0, answer), settings()).await.err(), Some(fault));
    }
}

#[tokio::test]
async fn start_fails_if_the_nsm_fails_during_start_up_tests() {
    for (answer, fault) in faults() {
        let nsm = nsm_failing_from(START_UP_CALLS - 3, answer);
        assert_eq!(start(nsm, settings()).await.err(), Some(fault));
    }
}

#[tokio::test]
async fn start_fails_without_timestamp_or_pcr0() {
    let no_timestamp = TestNsm::new(|_, request| match request {
        Request::Attestation { .. } => Some(Ok(Response::Attestation { document: vec![0x84] })),
        _ => None,
    });
    assert_eq!(start(no_timestamp, settings()).await.err(), Some(NsmFault::NoTimestamp));
    let no_document = TestNsm::new(|_, request| match request {
        Request::Attestation { .. } => Some(Ok(Response::GetRandom { random: vec![7; 256] })),
        _ => None,
    });
    assert_eq!(start(no_document, settings()).await.err(), Some(NsmFault::UnexpectedResponse));
    let no_register = TestNsm::new(|_, request| match request {
        Request::DescribePCR { .. } => Some(Ok(Response::Error(ErrorCode::InvalidIndex))),
        _ => None,
    });
    assert_eq!(start(no_register, settings()).await.err(), Some(error_response("InvalidIndex")));
}

#[tokio::test]
async fn every_fault_is_returned_and_reported() {
    for (answer, fault) in faults() {
        let nsm = start(nsm_failing_from(START_UP_CALLS, answer), settings()).await.unwrap();
        assert_eq!(nsm.fault(), None);
        assert_eq!(take(&nsm).await.err(), Some(fault));
        assert_eq!(nsm.fault(), Some(fault));
        assert!(nsm.metrics.faults(&fault) >= 1, "{fault}");
    }
}

#[tokio::test]
async fn fault_is_reported_without_callers() {
    let settings = NsmSettings { prefetch: 1, ..settings() };
    let nsm = start(nsm_failing_from(START_UP_CALLS, || Err(NsmError::Malformed)), settings)
        .await
        .unwrap();
    eventually(|| nsm.fault().is_some()).await;
    assert_eq!(nsm.fault(), Some(NsmFault::Device(NsmError::Malformed)));
}

#[tokio::test]
async fn device_fault_ends_with_the_next_block() {
    for with_caller in [true, false] {
        let works = Arc::new(AtomicBool::new(false));
        let signal = Arc::clone(&works);
        let nsm = nsm_failing_from(START_UP_CALLS, move || match signal.load(Ordering::SeqCst) {
            true => Ok(default_response(&Request::GetRandom)),
            false => Err(NsmError::Malformed),
        });
        let nsm = start(nsm, settings()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(take(&nsm).await.err(), Some(NsmFault::Device(NsmError::Malformed)));
        }
        works.store(true, Ordering::SeqCst);
        if with_caller {
            take(&nsm).await.unwrap();
        }
        // Without callers, the worker itself checks whether the fault has ended.
        eventually(|| nsm.fault().is_none()).await;
    }
}

#[tokio::test]
async fn nsm_is_not_called_after_a_failed_health_test() {
    let mut calls = 0;
    let nsm = nsm_failing_from(START_UP_CALLS, move || {
        calls += 1;
        assert_eq!(calls, 1, "the NSM was called again");
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
async fn prefetched_blocks_are_dropped_after_a_failed_test() {
    let (go_on, signal) = mpsc::channel::<()>();
    let mut good = 4;
    let nsm = nsm_failing_from(START_UP_CALLS, move || {
        if good == 0 {
            signal.recv().unwrap();
            return Ok(Response::GetRandom { random: vec![0; 256] });
        }
        good -= 1;
        Ok(default_response(&Request::GetRandom))
    });
    let nsm = start(nsm, NsmSettings { prefetch: 5, ..settings() }).await.unwrap();
    eventually(|| nsm.block_counts().0 >= 4).await;
    take(&nsm).await.unwrap();
    go_on.send(()).unwrap();
    eventually(|| nsm.fault().is_some()).await;
    let fault = NsmFault::Unhealthy(HealthFault::RepetitionCount);
    assert_eq!((take(&nsm).await.err(), nsm.block_counts().0), (Some(fault), 0));
}

#[tokio::test]
async fn rejects_the_same_block_twice() {
    let block = default_response(&Request::GetRandom);
    let Response::GetRandom { random } = block else { panic!("unexpected response") };
    let nsm = nsm_failing_from(START_UP_CALLS, move || {
        Ok(Response::GetRandom { random: random.clone() })
    });
    let nsm = start(nsm, settings()).await.unwrap();
    take(&nsm).await.unwrap();
    let fault = NsmFault::Unhealthy(HealthFault::RepeatedOutput);
    assert_eq!(take(&nsm).await.err(), Some(fault));
}

#[tokio::test]
async fn caller_times_out_while_a_call_hangs() {
    let (release, held) = mpsc::channel::<()>();
    let nsm = nsm_failing_from(START_UP_CALLS, move || {
        held.recv().unwrap_or_default();
        Ok(default_response(&Request::GetRandom))
    });
    let deadline = Duration::from_millis(300);
    let nsm = start(nsm, NsmSettings { deadline, ..settings() }).await.unwrap();
    let fault = NsmFault::TimedOut { deadline };
    // The two callers wait for the same call.
    let (one, other) = tokio::join!(take(&nsm), take(&nsm));
    assert_eq!((one.err(), other.err()), (Some(fault), Some(fault)));
    assert_eq!(nsm.fault(), Some(fault));
    // The call returns. Its block ends the fault.
    drop(release);
    eventually(|| nsm.fault().is_none()).await;
    take(&nsm).await.unwrap();
}

#[tokio::test]
async fn stuck_call_latches_the_fault() {
    let (release, held) = mpsc::channel::<()>();
    let nsm = nsm_failing_from(START_UP_CALLS, move || {
        held.recv().unwrap_or_default();
        Ok(default_response(&Request::GetRandom))
    });
    let limit = Duration::from_secs(2);
    let nsm = start(nsm, NsmSettings { watchdog: limit, ..settings() }).await.unwrap();
    let fault = NsmFault::Hung { limit };
    assert_eq!(take(&nsm).await.err(), Some(fault));
    drop(release);
    assert_eq!((take(&nsm).await.err(), nsm.fault()), (Some(fault), Some(fault)));
    assert_eq!(nsm.metrics.faults(&fault), 1);
}

#[tokio::test]
async fn start_fails_if_the_nsm_hangs() {
    let (_release, held) = mpsc::channel::<()>();
    let nsm = nsm_failing_from(0, move || {
        held.recv().unwrap_or_default();
        Err(NsmError::Malformed)
    });
    let limit = Duration::from_millis(20);
    let started = start(nsm, NsmSettings { watchdog: limit, ..settings() }).await;
    assert_eq!(started.err(), Some(NsmFault::Hung { limit }));
}

#[test]
fn block_expires_at_its_maximum_age() {
    let (max_age, made) = (Duration::from_secs(60), Instant::now());
    let queue = queue::Queue::<u8, (), ()>::new(Limits { ready: 2, max_age, waiting: 1, tasks: 1 });
    queue.put(made, 7);
    let young = made + max_age - Duration::from_nanos(1);
    assert!(matches!(queue.take(young), Ok(Delivery::Ready(7))));
    queue.put(made, 8);
    queue.put(made + Duration::from_nanos(1), 9);
    assert!(matches!(queue.take(made + max_age), Ok(Delivery::Ready(9))));
    assert_eq!(queue.block_counts(), (0, 1));
}

#[tokio::test]
async fn expired_blocks_are_replaced() {
    let max_age = Duration::from_millis(5);
    let settings = NsmSettings { prefetch: 3, max_age, ..settings() };
    let nsm = start(working(), settings).await.unwrap();
    // The worker replaces expired blocks although no caller takes a block.
    eventually(|| nsm.block_counts().1 >= 9).await;
    take(&nsm).await.unwrap();
}

#[tokio::test]
async fn prefetches_the_configured_number_of_blocks() {
    let nsm = start(working(), NsmSettings { prefetch: 3, ..settings() }).await.unwrap();
    eventually(|| nsm.block_counts().0 >= 3).await;
    let metrics = Arc::clone(&nsm.metrics);
    let calls = metrics.calls.get_random.get();
    for _ in 0..3 {
        take(&nsm).await.unwrap();
    }
    assert!(metrics.blocks.prefetched.get() >= 3);
    eventually(|| nsm.block_counts().0 >= 3).await;
    assert!(metrics.calls.get_random.get() >= calls + 3);
    // The metrics count the duration of a call after the call has returned.
    eventually(|| metrics.calls.get_random.returned() >= calls + 3).await;
    assert!(metrics.calls.describe_pcr.returned() > 0);
}

#[tokio::test]
async fn panic_of_the_thread_ends_all_waits() {
    let nsm = nsm_failing_from(START_UP_CALLS, || panic!("a panic of this test"));
    let nsm = start(nsm, settings()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(take(&nsm).await.err(), Some(NsmFault::ThreadEnded));
    }
    assert_eq!(nsm.fault(), Some(NsmFault::ThreadEnded));
    assert_eq!(nsm.metrics.faults(&NsmFault::ThreadEnded), 1);
}

#[tokio::test]
async fn start_fails_if_the_thread_panics() {
    let nsm = nsm_failing_from(0, || panic!("a panic of this test"));
    assert_eq!(start(nsm, settings()).await.err(), Some(NsmFault::ThreadEnded));
}

#[tokio::test]
async fn thread_ends_with_its_handle() {
    let (alive, ended) = mpsc::channel::<Infallible>();
    // The NSM owns the sender, and the thread owns the NSM. So the end of the thread drops the sender.
    let nsm = TestNsm::new(move |_, _| {
        let _ = &alive;
        None
    });
    drop(start(nsm, settings()).await.unwrap());
    assert_eq!(ended.recv_timeout(BOUND), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[tokio::test]
async fn nsm_time_overrides_system_time_and_counts_differences() {
    for (hours, disagreements) in [(0, 0), (1, 1)] {
        let later = SystemClock.now().plus_secs(hours * 3600);
        let nsm = TestNsm::new(move |_, request| match request {
            Request::Attestation { .. } => {
                Some(Ok(Response::Attestation { document: document_at(later) }))
            }
            _ => None,
        });
        let metrics = NsmMetrics::unregistered();
        let settings = settings();
        let started = NsmHandle::start(nsm, SystemClock, &settings, None, Arc::clone(&metrics));
        let clock = started.await.unwrap().unwrap().clock;
        assert!(clock.now() >= later && clock.now() < later.plus_secs(60));
        assert_eq!(metrics.clock_disagreements(), disagreements);
    }
}

/// A worker, with the parts that it shares with other threads.
struct WorkerFixture<N: Nsm> {
    worker: NsmWorker<N, SystemClock>,
    clock: Arc<TrustedClock<SystemClock>>,
    queue: Arc<NsmQueue>,
    metrics: Arc<NsmMetrics>,
}

fn worker_fixture<N: Nsm>(nsm: N) -> WorkerFixture<N> {
    let metrics = NsmMetrics::unregistered();
    let monitor = CallMonitor::spawn(BOUND, PauseDetector::global(), || ()).unwrap();
    let mut device = Device::new(nsm, monitor, Arc::clone(&metrics), Arc::default());
    let (clock, _) =
        worker::start_up(&mut device, SystemClock, None, &metrics, PauseDetector::global())
            .unwrap();
    let (clock, queue) = (Arc::new(clock), Arc::new(queue_with_limit(1)));
    let worker =
        NsmWorker::new(device, Arc::clone(&queue), Arc::clone(&clock), Arc::clone(&metrics));
    WorkerFixture { worker, clock, queue, metrics }
}

fn queue_with_limit(waiting: usize) -> NsmQueue {
    NsmQueue::new(Limits { ready: 0, max_age: BOUND, waiting, tasks: 1 })
}

#[tokio::test]
async fn synchronizes_the_clock_when_due() {
    let WorkerFixture { worker, clock, queue, metrics } = worker_fixture(working());
    let due = clock.sync_due();
    assert_eq!(worker.sync_at(), due);
    clock.expire();
    let thread = thread::spawn(move || worker.run());
    eventually(|| metrics.calls.attestation.get() >= 2 && clock.sync_due() != due).await;
    queue.close();
    thread.join().unwrap();
    assert_eq!(metrics.calls.attestation.get(), 2);
}

#[tokio::test]
async fn synchronizes_after_a_pause_before_any_block() {
    let WorkerFixture { worker, clock, queue, metrics } = worker_fixture(working());
    PauseDetector::global().simulate_pause();
    let mut receiver = match queue.take(Instant::now()) {
        Ok(Delivery::Pending(receiver)) => receiver,
        other => panic!("{other:?}"),
    };
    let blocks = metrics.calls.get_random.get();
    let thread = thread::spawn(move || worker.run());
    assert!((&mut receiver).await.unwrap().is_ok());
    assert_eq!(clock.check(), Ok(()));
    queue.close();
    thread.join().unwrap();
    assert_eq!(metrics.calls.attestation.get(), 2);
    assert!(metrics.calls.get_random.get() > blocks);
}

#[test]
fn sync_interrupted_by_a_pause_is_retried_at_once() {
    let (pauses, mut documents) = (PauseDetector::global(), 0);
    let nsm = TestNsm::new(move |_, request| {
        documents += usize::from(matches!(request, Request::Attestation { .. }));
        if documents == 2 && matches!(request, Request::Attestation { .. }) {
            pauses.simulate_pause();
            thread::sleep(Duration::from_millis(1001));
        }
        None
    });
    let WorkerFixture { mut worker, clock, queue, metrics } = worker_fixture(nsm);
    worker.synchronize();
    assert_eq!((clock.check(), queue.status()), (Ok(()), DeviceStatus::Working));
    assert_eq!(metrics.calls.attestation.get(), 3);
}

#[tokio::test]
async fn pause_restarts_the_deadline_of_a_waiting_caller() {
    let deadline = Duration::from_secs(1);
    let (release, released) = mpsc::channel();
    let nsm = nsm_failing_from(START_UP_CALLS, move || {
        released.recv_timeout(BOUND).unwrap();
        Ok(default_response(&Request::GetRandom))
    });
    let nsm = start(nsm, NsmSettings { deadline, ..settings() }).await.unwrap();
    for paused in [true, false] {
        tokio::time::pause();
        let mut wait = std::pin::pin!(take(&nsm));
        assert!(is_pending(wait.as_mut()).await);
        if paused {
            PauseDetector::global().simulate_pause();
        }
        tokio::time::advance(deadline + Duration::from_millis(1)).await;
        assert_eq!(is_pending(wait.as_mut()).await, paused);
        tokio::time::resume();
        if paused {
            release.send(()).unwrap();
            assert!(wait.await.is_ok());
            assert_eq!(nsm.fault(), None);
        } else {
            assert_eq!(nsm.fault(), Some(NsmFault::TimedOut { deadline }));
        }
    }
    drop(release);
}

/// Polls `future` once and returns whether it is pending.
async fn is_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
    })
    .await
}

#[test]
fn next_sync_follows_the_last_one() {
    let WorkerFixture { mut worker, clock, .. } = worker_fixture(working());
    worker.synchronize();
    assert_eq!(worker.sync_at(), clock.sync_due());
}

#[test]
fn failed_sync_is_reported_counted_and_retried() {
    let mut documents = 0;
    let nsm = TestNsm::new(move |_, request| {
        documents += usize::from(matches!(request, Request::Attestation { .. }));
        (documents > 1).then_some(Err(NsmError::Malformed))
    });
    let WorkerFixture { mut worker, clock, queue, metrics } = worker_fixture(nsm);
    let due = clock.sync_due();
    worker.synchronize();
    let fault = NsmFault::Device(NsmError::Malformed);
    assert_eq!((queue.status(), metrics.faults(&fault)), (DeviceStatus::Faulty(fault), 1));
    assert_eq!(clock.sync_due(), due);
    clock.expire();
    assert!(worker.sync_at() <= Instant::now() + Duration::from_secs(1));
    // The fault of the synchronization replaces a timeout. A timeout does not replace that fault.
    queue.put(Instant::now(), Block::new(vec![0; 256].into()));
    queue.record_timeout(NsmFault::QueueFull);
    worker.synchronize();
    queue.record_timeout(NsmFault::QueueFull);
    assert_eq!(queue.status(), DeviceStatus::Faulty(fault));
}

#[test]
fn sync_precedes_waiting_callers() {
    let queue = queue_with_limit(1);
    let _place = queue.take(Instant::now());
    let now = Instant::now();
    assert!(matches!(queue.next_work(now, true), Work::Tick));
    assert!(matches!(queue.next_work(now + BOUND, true), Work::FetchBlock));
}

#[tokio::test]
async fn full_queue_is_reported_before_the_caller_returns() {
    let (queue, metrics) = (Arc::new(queue_with_limit(0)), NsmMetrics::unregistered());
    let monitor = Arc::new(CallMonitor::without_thread(BOUND, PauseDetector::global(), || ()));
    let nsm = NsmHandle {
        queue,
        monitor,
        timeout: BOUND,
        pauses: PauseDetector::global(),
        metrics,
        current_document: Arc::default(),
    };
    assert_eq!(take(&nsm).await.err(), Some(NsmFault::QueueFull));
    assert_eq!(nsm.fault(), Some(NsmFault::QueueFull));
}

#[tokio::test]
async fn stuck_document_call_latches_the_fault() {
    let WorkerFixture { clock, metrics, .. } = worker_fixture(working());
    let queue = Arc::new(queue_with_limit(0));
    let (latched, fault) = (Arc::clone(&queue), NsmFault::Hung { limit: Duration::ZERO });
    // The monitor has no thread. So the thread of the call detects that each call took too long.
    let monitor = CallMonitor::without_thread(Duration::ZERO, PauseDetector::global(), move || {
        latched.latch(fault)
    });
    let device = Device::new(working(), Arc::new(monitor), Arc::clone(&metrics), Arc::default());
    clock.expire();
    let worker = NsmWorker::new(device, Arc::clone(&queue), clock, metrics);
    let thread = thread::spawn(move || worker.run());
    eventually(|| queue.status() == DeviceStatus::Latched(fault)).await;
    thread.join().unwrap();
}
