use std::convert::Infallible;
use std::sync::Arc;

use super::*;

const HOUR_MS: u64 = 3_600_000;

/// A machine whose clocks tests set, in milliseconds.
#[derive(Clone, Debug)]
struct Machine(Arc<Mutex<Clocks>>);

#[derive(Debug)]
struct Clocks {
    system: u64,
    monotonic: u64,
    /// Time of the hypervisor, which is correct.
    nsm: u64,
}

impl Clock for Machine {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.lock().unwrap().system)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.lock().unwrap().monotonic)
    }
}

impl Machine {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Clocks { system: 1_000_000, monotonic: 77, nsm: 1_000_000 })))
    }

    fn set(&self, set: impl FnOnce(&mut Clocks)) {
        set(&mut self.0.lock().unwrap());
    }

    fn advance(&self, milliseconds: u64) {
        self.set(|clocks| {
            clocks.system += milliseconds;
            clocks.monotonic += milliseconds;
            clocks.nsm += milliseconds;
        });
    }

    fn attest(&self) -> Result<UnixMillis, Infallible> {
        Ok(UnixMillis::new(self.0.lock().unwrap().nsm))
    }

    fn start(&self) -> TrustedClock<Self> {
        TrustedClock::start(self.clone(), PauseDetector::global(), || self.attest()).unwrap().0
    }

    fn synchronize(&self, clock: &TrustedClock<Self>) -> SyncReport {
        clock.synchronize(|| self.attest()).unwrap()
    }
}

#[test]
fn time_continues_from_the_signed_timestamp() {
    let machine = Machine::new();
    let clock = machine.start();
    assert_eq!(clock.now(), UnixMillis::new(1_000_000));
    machine.advance(12_345);
    assert_eq!(clock.now(), UnixMillis::new(1_012_345));
}

#[test]
fn f24_jump_of_the_system_clock_is_ignored_and_reported() {
    for (system, offset_ms) in [(1_000_000 + HOUR_MS, 3_600_000), (0, -1_000_000)] {
        let machine = Machine::new();
        let clock = machine.start();
        machine.set(|clocks| clocks.system = system);
        assert_eq!(clock.now(), UnixMillis::new(1_000_000));
        let sync = machine.synchronize(&clock);
        assert_eq!((sync, sync.exceeds_limit()), (SyncReport { offset_ms }, true));
        assert_eq!(clock.now(), UnixMillis::new(1_000_000));
    }
}

#[test]
fn f24_stalled_system_clock_is_ignored_and_reported() {
    let machine = Machine::new();
    let clock = machine.start();
    machine.advance(30_000);
    machine.set(|clocks| clocks.system = 1_000_000);
    assert_eq!(clock.now(), UnixMillis::new(1_030_000));
    assert!(machine.synchronize(&clock).exceeds_limit());
}

#[test]
fn f24_next_sync_corrects_stalled_or_drifting_monotonic_clock() {
    for wrong in [0, 15_000, 60_000] {
        let machine = Machine::new();
        let clock = machine.start();
        machine.advance(30_000);
        machine.set(|clocks| clocks.monotonic = 77 + wrong);
        assert_eq!(clock.now(), UnixMillis::new(1_000_000 + wrong));
        machine.synchronize(&clock);
        assert_eq!(clock.now(), UnixMillis::new(1_030_000));
    }
}

#[test]
fn system_clock_offset_limit_is_two_seconds() {
    let machine = Machine::new();
    let clock = machine.start();
    for (system, disagrees) in
        [(1_002_000, false), (1_002_001, true), (998_000, false), (997_999, true)]
    {
        machine.set(|clocks| clocks.system = system);
        assert_eq!(machine.synchronize(&clock).exceeds_limit(), disagrees, "{system}");
    }
}

#[test]
fn timestamp_counts_for_the_middle_of_the_call() {
    let machine = Machine::new();
    let clock = machine.start();
    let synced = clock.synchronize(|| {
        machine.advance(50);
        let time = machine.attest();
        machine.advance(50);
        time
    });
    assert_eq!(synced, Ok(SyncReport { offset_ms: 0 }));
    assert_eq!(clock.now(), UnixMillis::new(1_000_100));
}

#[test]
fn sync_age_starts_with_the_call() {
    let machine = Machine::new();
    let clock = machine.start();
    let mut within = None;
    let attest = || {
        within = Some(Instant::now());
        machine.attest()
    };
    clock.synchronize(attest).unwrap();
    assert!(clock.last_sync().at <= within.unwrap());
}

#[test]
fn failed_sync_leaves_the_clock_unchanged() {
    let machine = Machine::new();
    let clock = machine.start();
    let due = clock.sync_due();
    machine.advance(30_000);
    assert_eq!(clock.synchronize(|| Err("broken")), Err(SyncError::Attest("broken")));
    assert_eq!((clock.now(), clock.sync_due()), (UnixMillis::new(1_030_000), due));
}

#[test]
fn start_fails_without_a_document() {
    let started = TrustedClock::start(Machine::new(), PauseDetector::global(), || Err("broken"));
    assert_eq!(started.err(), Some(SyncError::Attest("broken")));
}

#[test]
fn sync_is_due_after_30_s_and_stale_after_60_s() {
    let clock = Machine::new().start();
    let synced = clock.last_sync().at;
    assert_eq!(clock.sync_due(), synced + Duration::from_secs(30));
    assert_eq!(clock.check_at(synced + Duration::from_secs(60)), Ok(()));
    let after_limit = synced + Duration::from_secs(60) + Duration::from_nanos(1);
    assert_eq!(clock.check_at(after_limit), Err(ClockFault::Old));
}

#[test]
fn stale_clock_is_rejected_until_the_next_sync() {
    let machine = Machine::new();
    let clock = machine.start();
    assert_eq!(clock.check(), Ok(()));
    clock.expire();
    assert_eq!(clock.check(), Err(ClockFault::Old));
    machine.synchronize(&clock);
    assert_eq!(clock.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn is_trusted_after_a_pause_once_synchronized() {
    let machine = Machine::new();
    let clock = machine.start();
    PauseDetector::global().simulate_pause();
    // The machine was paused for an hour. The clocks of the machine do not count this hour.
    machine.set(|clocks| clocks.nsm += HOUR_MS);
    assert_eq!(clock.check(), Err(ClockFault::Paused));
    assert!(clock.sync_due() <= Instant::now());
    let syncs = async {
        tokio::time::sleep(SYNC_WAIT_TIMEOUT - Duration::from_millis(1)).await;
        machine.synchronize(&clock);
    };
    let (result, ()) = tokio::join!(clock.wait_until_trusted(), syncs);
    assert_eq!((result, clock.check()), (Ok(()), Ok(())));
    assert_eq!(clock.now(), UnixMillis::new(1_000_000 + HOUR_MS));
    assert!(clock.sync_due() > Instant::now());
}

#[tokio::test(start_paused = true)]
async fn waits_for_sync_until_failure_or_timeout() {
    let machine = Machine::new();
    let clock = machine.start();
    for fault in [ClockFault::Old, ClockFault::Paused] {
        match fault {
            ClockFault::Old => clock.expire(),
            ClockFault::Paused => PauseDetector::global().simulate_pause(),
        }
        let start = tokio::time::Instant::now();
        assert_eq!(clock.wait_until_trusted().await, Err(fault));
        assert_eq!(start.elapsed().as_secs(), SYNC_WAIT_TIMEOUT.as_secs());
        // After a failed synchronization, requests do not wait.
        let start = tokio::time::Instant::now();
        let fails = async { clock.record_sync_failure() };
        assert_eq!(tokio::join!(clock.wait_until_trusted(), fails).0, Err(fault));
        assert_eq!(clock.wait_until_trusted().await, Err(fault));
        assert_eq!(start.elapsed(), Duration::ZERO);
        // A later pause starts a new wait.
        PauseDetector::global().simulate_pause();
        let syncs = async { assert!(!machine.synchronize(&clock).exceeds_limit()) };
        assert_eq!(tokio::join!(clock.wait_until_trusted(), syncs).0, Ok(()));
    }
}

#[test]
fn pause_during_the_call_is_not_reported_as_slow() {
    let machine = Machine::new();
    let clock = machine.start();
    let (due, now) = (clock.last_sync().at, clock.now());
    let paused = || {
        PauseDetector::global().simulate_pause();
        std::thread::sleep(MAX_CALL_DURATION + Duration::from_millis(1));
        Ok::<_, Infallible>(UnixMillis::new(HOUR_MS))
    };
    assert_eq!(clock.synchronize(paused), Err(SyncError::Paused));
    assert_eq!((clock.last_sync().at, clock.now()), (due, now));
}

#[test]
fn rejects_call_longer_than_a_second() {
    assert_eq!(check_call_duration::<Infallible>(Duration::from_secs(1)), Ok(()));
    let duration = Duration::from_secs(1) + Duration::from_nanos(1);
    assert_eq!(check_call_duration::<Infallible>(duration), Err(SyncError::Slow { duration }));
}

#[test]
fn rejects_slow_document() {
    let machine = Machine::new();
    let clock = machine.start();
    let (due, now) = (clock.sync_due(), clock.now());
    let after_limit = || {
        // The call takes longer than the limit.
        std::thread::sleep(MAX_CALL_DURATION + Duration::from_millis(1));
        Ok::<_, Infallible>(UnixMillis::new(HOUR_MS))
    };
    let error = clock.synchronize(after_limit).unwrap_err();
    assert!(matches!(error, SyncError::Slow { duration } if duration > MAX_CALL_DURATION));
    assert_eq!((clock.sync_due(), clock.now()), (due, now));
}

#[test]
fn fake_clock_may_go_back() {
    let time = Arc::new(Mutex::new(UnixMillis::from_secs(2000)));
    let shared = Arc::clone(&time);
    let now = move || *shared.lock().unwrap();
    let (clock, _) = TrustedClock::start(now, PauseDetector::global(), || {
        Ok::<_, Infallible>(UnixMillis::from_secs(2000))
    })
    .expect("the clock is synchronized");
    *time.lock().unwrap() = UnixMillis::from_secs(1000);
    assert_eq!(clock.now(), UnixMillis::from_secs(1000));
}
