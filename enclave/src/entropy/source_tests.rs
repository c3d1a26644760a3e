use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use attestation::crypto::ACCEPTS_OAEP_SEED;
use nsm_device::{Nsm, NsmError};

use super::*;
use crate::clock::SystemClock;
use crate::entropy::DrbgError;
use crate::entropy::known_answers;
use crate::nsm::test_nsm::{TestNsm, working};
use crate::nsm::{NsmFault, NsmMetrics, NsmSettings};

/// Longer than any wait in these tests.
const BOUND: Duration = Duration::from_secs(60);

/// Returns a source with one instance and no prefetched blocks.
async fn entropy(reseed_policy: ReseedPolicy) -> EntropySource {
    entropy_of(working(), 1, reseed_policy, BOUND).await
}

async fn entropy_of(
    nsm: impl Nsm,
    count: usize,
    reseed_policy: ReseedPolicy,
    deadline: Duration,
) -> EntropySource {
    let settings = NsmSettings { prefetch: 0, deadline, watchdog: BOUND, ..NsmSettings::default() };
    let started = NsmHandle::start(nsm, SystemClock, &settings, None, NsmMetrics::unregistered());
    let nsm = started.await.unwrap().unwrap().nsm;
    let passed = known_answers::run().unwrap();
    EntropySource::instantiate(passed, nsm, count, reseed_policy, EntropyMetrics::unregistered())
        .await
        .unwrap()
}

/// Returns a policy that requires a reseed after `generate_calls` calls. The period of the policy is longer
/// than a test.
fn interval(generate_calls: u64) -> ReseedPolicy {
    ReseedPolicy::Interval { generate_calls, period: Duration::from_secs(3600) }
}

/// Returns an NSM whose calls block while the returned flag is set. Each message to the returned sender
/// releases one call. Dropping the sender releases all calls.
fn blocking_nsm() -> (impl Nsm, Arc<AtomicBool>, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let hold = Arc::new(AtomicBool::new(false));
    let observed = Arc::clone(&hold);
    let nsm = TestNsm::new(move |_, _| {
        if observed.load(Ordering::SeqCst) {
            released.recv().unwrap_or_default();
        }
        None
    });
    (nsm, hold, release)
}

async fn draw(entropy: &EntropySource, sealed: bool) -> Vec<u8> {
    let request = DrawRequest { number_of_bytes: 32, sealed };
    let drawn = entropy.draw(request).await.unwrap();
    assert_eq!(drawn.request(), request);
    drawn.random.expose().to_vec()
}

/// Returns the number of generate calls for one response.
fn generates(sealed: bool) -> u64 {
    match sealed {
        false => 1,
        true => 3 + u64::from(ACCEPTS_OAEP_SEED),
    }
}

#[tokio::test]
async fn per_request_reseeds_once_and_generates_each_part() {
    let entropy = entropy(ReseedPolicy::PerRequest).await;
    let mut outputs = BTreeSet::new();
    for (count, sealed) in [false, true, true, false].into_iter().enumerate() {
        let calls = entropy.nsm.metrics().calls.get_random.get();
        assert!(outputs.insert(draw(&entropy, sealed).await));
        // The count restarts with each reseed.
        let instance = entropy.pool.lock_any().unwrap();
        assert_eq!(instance.generate_calls_since_reseed(), generates(sealed));
        assert_eq!(entropy.nsm.metrics().calls.get_random.get(), calls + 1);
        assert_eq!(entropy.metrics.reseeds.get(), u64::try_from(count).unwrap() + 1);
    }
}

#[tokio::test]
async fn interval_reseeds_after_its_number_of_generates() {
    let entropy = entropy(interval(3)).await;
    let mut reseeds = Vec::new();
    let mut outputs = BTreeSet::new();
    for _ in 0..7 {
        assert!(outputs.insert(draw(&entropy, false).await));
        reseeds.push(entropy.metrics.reseeds.get());
    }
    assert_eq!(reseeds, [1, 1, 1, 2, 2, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn seeded_instance_serves_all_threads_until_it_is_due() {
    let entropy = Arc::new(entropy_of(working(), 4, interval(1000), BOUND).await);
    for _ in 0..200 {
        let entropy = Arc::clone(&entropy);
        tokio::spawn(async move { draw(&entropy, false).await }).await.unwrap();
    }
    assert_eq!(entropy.metrics.reseeds.get(), 1);
}

#[tokio::test]
async fn one_block_reseeds_for_all_waiting_callers() {
    let (nsm, hold, release) = blocking_nsm();
    let deadline = Duration::from_secs(20);
    let entropy = Arc::new(entropy_of(nsm, 2, interval(1000), deadline).await);
    hold.store(true, Ordering::SeqCst);
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let entropy = Arc::clone(&entropy);
            tokio::spawn(async move { draw(&entropy, false).await })
        })
        .collect();
    // The test has one thread, so each task now runs until it waits.
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    let mut outputs = BTreeSet::new();
    for caller in callers {
        assert!(outputs.insert(caller.await.unwrap()));
    }
    // One block was enough.
    assert_eq!(entropy.metrics.reseeds.get(), 1);
}

#[tokio::test]
async fn waits_for_locked_instance_instead_of_reseeding_another() {
    let entropy = entropy_of(working(), 2, interval(1000), BOUND).await;
    draw(&entropy, false).await;
    let (held, observed) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let seeded = |instance: &DrbgInstance| {
                !interval(1000).is_due(instance, std::time::Instant::now())
            };
            let _instance = entropy.pool.lock_where(seeded).unwrap();
            held.send(()).unwrap();
            // Long enough for the other thread to wait.
            (0..1000).for_each(|_| std::thread::yield_now());
        });
        observed.recv_timeout(BOUND).unwrap();
        let request = DrawRequest { number_of_bytes: 32, sealed: false };
        assert!(entropy.try_draw_seeded(|instance| generate(instance, request)).unwrap().is_some());
    });
    draw(&entropy, false).await;
    assert_eq!(entropy.metrics.reseeds.get(), 1);
}

#[tokio::test]
async fn slow_nsm_delays_only_draws_that_need_a_reseed() {
    let (nsm, hold, release) = blocking_nsm();
    let deadline = Duration::from_secs(1);
    let entropy = entropy_of(nsm, 1, interval(3), deadline).await;
    draw(&entropy, false).await;
    hold.store(true, Ordering::SeqCst);
    let timed_out = NsmFault::TimedOut { deadline };
    assert_eq!(entropy.nsm.block(entropy.nsm.deadline()).await.err(), Some(timed_out));
    assert_eq!(entropy.fault(), Some(timed_out.into()));
    draw(&entropy, false).await;
    draw(&entropy, false).await;
    // The next draws need a reseed. They wait for a block until their deadline.
    let request = DrawRequest { number_of_bytes: 32, sealed: false };
    let draws = tokio::join!(entropy.draw(request), entropy.draw(request));
    assert_eq!((draws.0.err(), draws.1.err()), (Some(timed_out.into()), Some(timed_out.into())));
    assert_eq!(entropy.metrics.failures(&timed_out.into()), 2);
    assert_eq!(entropy.metrics.reseeds.get(), 1);
    drop(release);
    draw(&entropy, false).await;
}

#[tokio::test]
async fn seeded_instance_is_not_used_while_the_nsm_fails() {
    let broken = Arc::new(AtomicBool::new(false));
    let observed = Arc::clone(&broken);
    let nsm = TestNsm::new(move |_, _| {
        observed.load(Ordering::SeqCst).then_some(Err(NsmError::Malformed))
    });
    let entropy = entropy_of(nsm, 1, interval(1000), BOUND).await;
    draw(&entropy, false).await;
    broken.store(true, Ordering::SeqCst);
    let fault = NsmFault::Device(NsmError::Malformed);
    assert_eq!(entropy.nsm.block(entropy.nsm.deadline()).await.err(), Some(fault));
    let request = DrawRequest { number_of_bytes: 32, sealed: false };
    assert_eq!(entropy.draw(request).await.err(), Some(fault.into()));
}

#[tokio::test]
async fn reports_fault_when_all_instances_are_poisoned() {
    let entropy = entropy(ReseedPolicy::PerRequest).await;
    assert_eq!(entropy.fault(), None);
    std::thread::scope(|scope| {
        let panics = || {
            let _instance = entropy.pool.lock_any().unwrap();
            panic!("a panic of this test");
        };
        assert!(scope.spawn(panics).join().is_err());
    });
    assert_eq!(entropy.fault(), Some(EntropyFault::Interrupted));
}

#[tokio::test]
async fn oversized_draw_fails_and_is_counted() {
    let entropy = entropy(ReseedPolicy::PerRequest).await;
    let request = DrawRequest { number_of_bytes: 65_537, sealed: false };
    let fault = EntropyFault::Drbg(DrbgError::RequestTooLong { length: 65_537 });
    assert_eq!(entropy.draw(request).await.err(), Some(fault));
    assert_eq!(entropy.metrics.failures(&fault), 1);
}

#[test]
fn every_fault_has_a_registered_cause() {
    let faults = [
        EntropyFault::Drbg(DrbgError::ReseedRequired),
        EntropyFault::Interrupted,
        EntropyFault::System,
    ];
    let own: Vec<_> = faults.iter().map(EntropyFault::cause).collect();
    let shown: Vec<_> = EntropyFault::causes().collect();
    assert_eq!(shown, [&NsmFault::CAUSES[..], &NsmFault::CALLER_CAUSES, &own].concat());
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len());
    assert_eq!(EntropyFault::Nsm(NsmFault::QueueFull).cause(), "queue_full");
}

#[test]
fn only_time_limits_count_as_timeouts() {
    let deadline = Duration::from_secs(1);
    for (fault, expected) in [
        (NsmFault::TimedOut { deadline }, true),
        (NsmFault::QueueFull, true),
        (NsmFault::Hung { limit: deadline }, false),
        (NsmFault::ThreadEnded, false),
        (NsmFault::UnexpectedResponse, false),
        (NsmFault::SlowTimestamp, true),
        (NsmFault::NoTimestamp, false),
    ] {
        assert_eq!(EntropyFault::Nsm(fault).is_dependency_timeout(), expected, "{fault}");
    }
    assert!(!EntropyFault::System.is_dependency_timeout());
}
