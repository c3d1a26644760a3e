use std::convert::Infallible;
use std::sync::Arc;

use super::*;

const HOUR_MS: u64 = 3_600_000;

/// A machine whose clocks are set by hand, in milliseconds.
#[derive(Clone, Debug)]
struct Machine(Arc<Mutex<Clocks>>);

#[derive(Debug)]
struct Clocks {
    system: u64,
    monotonic: u64,
    /// The hypervisor's, which is right.
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

    fn passes(&self, milliseconds: u64) {
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
        TrustedClock::start(self.clone(), Pauses::of_process(), || self.attest()).unwrap().0
    }

    fn anchor(&self, clock: &TrustedClock<Self>) -> Anchoring {
        clock.anchor(|| self.attest()).unwrap()
    }
}

#[test]
fn goes_on_from_what_the_nsm_signed() {
    let machine = Machine::new();
    let clock = machine.start();
    assert_eq!(clock.now(), UnixMillis::new(1_000_000));
    machine.passes(12_345);
    assert_eq!(clock.now(), UnixMillis::new(1_012_345));
}

#[test]
fn f24_a_system_clock_that_jumps_changes_nothing_and_is_told_of() {
    for (system, offset_ms) in [(1_000_000 + HOUR_MS, 3_600_000), (0, -1_000_000)] {
        let machine = Machine::new();
        let clock = machine.start();
        machine.set(|clocks| clocks.system = system);
        assert_eq!(clock.now(), UnixMillis::new(1_000_000));
        let anchoring = machine.anchor(&clock);
        assert_eq!((anchoring, anchoring.disagrees()), (Anchoring { offset_ms }, true));
        assert_eq!(clock.now(), UnixMillis::new(1_000_000));
    }
}

#[test]
fn f24_a_system_clock_that_stalls_changes_nothing_and_is_told_of() {
    let machine = Machine::new();
    let clock = machine.start();
    machine.passes(30_000);
    machine.set(|clocks| clocks.system = 1_000_000);
    assert_eq!(clock.now(), UnixMillis::new(1_030_000));
    assert!(machine.anchor(&clock).disagrees());
}

#[test]
fn f24_a_monotonic_clock_that_stalls_or_drifts_is_put_right_by_the_next_anchoring() {
    for wrong in [0, 15_000, 60_000] {
        let machine = Machine::new();
        let clock = machine.start();
        machine.passes(30_000);
        machine.set(|clocks| clocks.monotonic = 77 + wrong);
        assert_eq!(clock.now(), UnixMillis::new(1_000_000 + wrong));
        machine.anchor(&clock);
        assert_eq!(clock.now(), UnixMillis::new(1_030_000));
    }
}

#[test]
fn a_system_clock_may_be_off_by_two_seconds_either_way() {
    let machine = Machine::new();
    let clock = machine.start();
    for (system, disagrees) in
        [(1_002_000, false), (1_002_001, true), (998_000, false), (997_999, true)]
    {
        machine.set(|clocks| clocks.system = system);
        assert_eq!(machine.anchor(&clock).disagrees(), disagrees, "{system}");
    }
}

#[test]
fn the_document_was_signed_in_the_middle_of_the_call() {
    let machine = Machine::new();
    let clock = machine.start();
    let anchored = clock.anchor(|| {
        machine.passes(50);
        let time = machine.attest();
        machine.passes(50);
        time
    });
    assert_eq!(anchored, Ok(Anchoring { offset_ms: 0 }));
    assert_eq!(clock.now(), UnixMillis::new(1_000_100));
}

#[test]
fn an_anchor_is_as_old_as_the_call_for_it() {
    let machine = Machine::new();
    let clock = machine.start();
    let mut within = None;
    let attest = || {
        within = Some(Instant::now());
        machine.attest()
    };
    clock.anchor(attest).unwrap();
    assert!(clock.last_anchor().at <= within.unwrap());
}

#[test]
fn an_anchoring_that_fails_leaves_the_clock_as_it_was() {
    let machine = Machine::new();
    let clock = machine.start();
    let due = clock.due();
    machine.passes(30_000);
    assert_eq!(clock.anchor(|| Err("broken")), Err(AnchorError::Attest("broken")));
    assert_eq!((clock.now(), clock.due()), (UnixMillis::new(1_030_000), due));
}

#[test]
fn does_not_start_without_a_document() {
    let started = TrustedClock::start(Machine::new(), Pauses::of_process(), || Err("broken"));
    assert_eq!(started.err(), Some(AnchorError::Attest("broken")));
}

#[test]
fn an_anchor_is_due_before_it_is_too_old_and_too_old_after_a_minute() {
    let clock = Machine::new().start();
    let anchored = clock.last_anchor().at;
    assert_eq!(clock.due(), anchored + Duration::from_secs(30));
    assert_eq!(clock.check_at(anchored + Duration::from_secs(60)), Ok(()));
    let late = anchored + Duration::from_secs(60) + Duration::from_nanos(1);
    assert_eq!(clock.check_at(late), Err(ClockFault::Old));
}

#[test]
fn an_old_anchor_is_not_judged_by_until_there_is_another() {
    let machine = Machine::new();
    let clock = machine.start();
    assert_eq!(clock.check(), Ok(()));
    clock.expire();
    assert_eq!(clock.check(), Err(ClockFault::Old));
    machine.anchor(&clock);
    assert_eq!(clock.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_the_time_counts_once_the_nsm_confirms_it() {
    let machine = Machine::new();
    let clock = machine.start();
    Pauses::of_process().make_up();
    // The machine was paused for an hour, of which neither of its own clocks knows.
    machine.set(|clocks| clocks.nsm += HOUR_MS);
    assert_eq!(clock.check(), Err(ClockFault::Paused));
    assert!(clock.due() <= Instant::now());
    let anchors = async {
        tokio::time::sleep(CONFIRMATION_TIMEOUT - Duration::from_millis(1)).await;
        machine.anchor(&clock);
    };
    let (confirmed, ()) = tokio::join!(clock.confirmed(), anchors);
    assert_eq!((confirmed, clock.check()), (Ok(()), Ok(())));
    assert_eq!(clock.now(), UnixMillis::new(1_000_000 + HOUR_MS));
    assert!(clock.due() > Instant::now());
}

#[tokio::test(start_paused = true)]
async fn the_time_is_waited_for_until_the_nsm_fails_and_within_bounds() {
    let machine = Machine::new();
    let clock = machine.start();
    for fault in [ClockFault::Old, ClockFault::Paused] {
        match fault {
            ClockFault::Old => clock.expire(),
            ClockFault::Paused => Pauses::of_process().make_up(),
        }
        let start = tokio::time::Instant::now();
        assert_eq!(clock.confirmed().await, Err(fault));
        assert_eq!(start.elapsed().as_secs(), CONFIRMATION_TIMEOUT.as_secs());
        // It fails meanwhile, and then there is nothing to wait for.
        let start = tokio::time::Instant::now();
        let fails = async { clock.anchoring_failed() };
        assert_eq!(tokio::join!(clock.confirmed(), fails).0, Err(fault));
        assert_eq!(clock.confirmed().await, Err(fault));
        assert_eq!(start.elapsed(), Duration::ZERO);
        // A pause since then is another matter.
        Pauses::of_process().make_up();
        let anchors = async { assert!(!machine.anchor(&clock).disagrees()) };
        assert_eq!(tokio::join!(clock.confirmed(), anchors).0, Ok(()));
    }
}

#[test]
fn a_pause_during_the_call_is_no_slow_module() {
    let machine = Machine::new();
    let clock = machine.start();
    let (due, now) = (clock.last_anchor().at, clock.now());
    let paused = || {
        Pauses::of_process().make_up();
        std::thread::sleep(MAX_CALL + Duration::from_millis(1));
        Ok::<_, Infallible>(UnixMillis::new(HOUR_MS))
    };
    assert_eq!(clock.anchor(paused), Err(AnchorError::Paused));
    assert_eq!((clock.last_anchor().at, clock.now()), (due, now));
}

#[test]
fn a_document_that_takes_longer_than_a_second_tells_no_time() {
    assert_eq!(check_call::<Infallible>(Duration::from_secs(1)), Ok(()));
    let took = Duration::from_secs(1) + Duration::from_nanos(1);
    assert_eq!(check_call::<Infallible>(took), Err(AnchorError::Slow { took }));
}

#[test]
fn a_clock_is_not_anchored_to_a_document_that_came_late() {
    let machine = Machine::new();
    let clock = machine.start();
    let (due, now) = (clock.due(), clock.now());
    let late = || {
        // As slow as that module.
        std::thread::sleep(MAX_CALL + Duration::from_millis(1));
        Ok::<_, Infallible>(UnixMillis::new(HOUR_MS))
    };
    assert!(matches!(clock.anchor(late), Err(AnchorError::Slow { took }) if took > MAX_CALL));
    assert_eq!((clock.due(), clock.now()), (due, now));
}

#[test]
fn a_made_up_clock_may_go_back() {
    let time = Arc::new(Mutex::new(UnixMillis::from_secs(2000)));
    let told = Arc::clone(&time);
    let now = move || *told.lock().unwrap();
    let (clock, _) = TrustedClock::start(now, Pauses::of_process(), || {
        Ok::<_, Infallible>(UnixMillis::from_secs(2000))
    })
    .expect("it is anchored");
    *time.lock().unwrap() = UnixMillis::from_secs(1000);
    assert_eq!(clock.now(), UnixMillis::from_secs(1000));
}
