//! Benchmark that runs real SDK clients for a long time. Meanwhile, enclaves and relays are killed,
//! paused and restarted at random. Every request must succeed within the SDK's normal retries. At the
//! end, servers that ran all the time must not use more resources than at the start.
//!
//! Two relays share one inherited socket. One relay and one enclave are only paused, and never ended.
//! The resource usage of these two servers is measured while there is no load.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use self::fault_plan::{FaultPlan, FaultTarget};
use self::fleet::{Fleet, RATE, ResourceUsage, SdkClients, duration};
use self::load::BoxError;
use self::seeded_random::SeededRandom;

mod fault_plan;
#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other benchmarks use the other items")]
mod fleet;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod process;
mod seeded_random;

const ENCLAVES: usize = 3;
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Time with load before the first measurement, in which caches and allocators reach their normal
/// size.
const WARM_UP: Duration = Duration::from_secs(15);
/// Time without load over which the minimum of the resource usage is measured.
const REST_DURATION: Duration = Duration::from_secs(5);
const REST_TIMEOUT: Duration = Duration::from_secs(60);

/// Allowed growth of the number of descriptors. A health check in progress has one descriptor on
/// each side.
const MAX_MORE_DESCRIPTORS: u64 = 4;
/// Allowed growth of the number of threads. A runtime may keep one thread for blocking tasks.
const MAX_MORE_THREADS: u64 = 1;
/// Allowed growth of resident memory, in percent. An allocator keeps some freed memory.
const MAX_MORE_RESIDENT_PERCENT: u64 = 25;
const MAX_MORE_RESIDENT_KIB: u64 = 8 * 1024;

fn main() -> Result<ExitCode, BoxError> {
    let length = duration(600)?;
    let (random, seed) = SeededRandom::new()?;
    println!("SEED={seed}; {RATE} requests/s for {length:?}");
    let mut fleet = Fleet::start(ENCLAVES)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let flags = ["--drain-timeout", "3", "--admin-listen", "127.0.0.1:0"];
    let mut targets = Vec::new();
    for name in ["relay-0", "relay-1"] {
        let mut relay = fleet.relay_with_socket(&listener, name, &flags)?;
        relay.start()?;
        targets.push(FaultTarget::new(relay, name == "relay-0"));
    }
    for enclave in fleet.enclaves.drain(..) {
        let pause_only = enclave.name == "enclave-0";
        targets.push(FaultTarget::new(enclave, pause_only));
    }

    let warm_up = WARM_UP.max(length / 10);
    let warm_up_outcome = run_clients(&url, warm_up, &mut targets, None)?;
    warm_up_outcome.print();
    let before = resources_at_rest(&targets)?;

    let fault_plan = FaultPlan::new(random);
    let outcome =
        run_clients(&url, length.saturating_sub(warm_up), &mut targets, Some(fault_plan))?;
    for target in &targets {
        println!("{:<10} {}", target.server.name, target.history());
    }
    outcome.print();
    let bounded = check_resource_growth(&targets, &before)?;
    let succeeded = warm_up_outcome.all_succeeded() && outcome.all_succeeded();
    println!("all requests succeeded: {}", label(succeeded));
    Ok(if bounded && succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs SDK clients for the duration `length`. Injects the faults of the plan, if there is one.
fn run_clients(
    url: &str,
    length: Duration,
    targets: &mut [FaultTarget],
    mut fault_plan: Option<FaultPlan>,
) -> Result<fleet::Outcome, BoxError> {
    let mut clients = SdkClients::start(url)?;
    let start = Instant::now();
    while start.elapsed() < length {
        if let Some(fault_plan) = &mut fault_plan {
            fault_plan.advance(targets)?;
        }
        clients.check_running()?;
        thread::sleep(POLL_INTERVAL);
    }
    // All faults end before the clients stop, so that no client waits for a paused server.
    fault_plan::recover_all(targets)?;
    clients.stop()
}

fn pause_only_targets(targets: &[FaultTarget]) -> impl Iterator<Item = &FaultTarget> {
    targets.iter().filter(|target| target.pause_only)
}

/// Returns the resource usage without load, which is the minimum over [`REST_DURATION`].
fn resources_at_rest(targets: &[FaultTarget]) -> Result<Vec<ResourceUsage>, BoxError> {
    let start = Instant::now();
    let mut least: Vec<ResourceUsage> = Vec::new();
    while start.elapsed() < REST_DURATION {
        let now = pause_only_targets(targets).map(|target| target.server.resource_usage());
        let now = now.collect::<Result<Vec<_>, _>>()?;
        least = match least.is_empty() {
            true => now,
            false => least.iter().zip(&now).map(|(a, b)| a.min(b)).collect(),
        };
        thread::sleep(POLL_INTERVAL);
    }
    Ok(least)
}

/// Waits until the resource usage is within the bounds, and prints the usage. Returns whether this
/// happened in time.
fn check_resource_growth(
    targets: &[FaultTarget],
    before: &[ResourceUsage],
) -> Result<bool, BoxError> {
    println!(
        "allowed growth: {MAX_MORE_DESCRIPTORS} descriptors, {MAX_MORE_THREADS} thread, \
         {MAX_MORE_RESIDENT_PERCENT} % plus {MAX_MORE_RESIDENT_KIB} KiB of resident memory"
    );
    let start = Instant::now();
    loop {
        let after = resources_at_rest(targets)?;
        let kept: Vec<bool> = before.iter().zip(&after).map(|(a, b)| is_within(a, b)).collect();
        let all = kept.iter().all(|kept| *kept);
        if !all && start.elapsed() < REST_TIMEOUT {
            continue;
        }
        for (target, ((before, after), kept)) in
            pause_only_targets(targets).zip(before.iter().zip(&after).zip(kept))
        {
            println!(
                "{:<10} descriptors {} -> {}, threads {} -> {}, resident {} -> {} KiB: {}",
                target.server.name,
                before.descriptors,
                after.descriptors,
                before.threads,
                after.threads,
                before.resident_kib,
                after.resident_kib,
                label(kept)
            );
        }
        return Ok(all);
    }
}

fn is_within(before: &ResourceUsage, after: &ResourceUsage) -> bool {
    let resident =
        before.resident_kib * (100 + MAX_MORE_RESIDENT_PERCENT) / 100 + MAX_MORE_RESIDENT_KIB;
    after.descriptors <= before.descriptors + MAX_MORE_DESCRIPTORS
        && after.threads <= before.threads + MAX_MORE_THREADS
        && after.resident_kib <= resident
}

fn label(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}
