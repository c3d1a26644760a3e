//! Real SDK clients for a long time, while enclaves and relays are killed, paused and restarted at random. Each
//! request must be answered within an SDK's normal retries. At the end those servers that lived all the while
//! must hold what they held at the beginning.
//!
//! Both relays have one socket, which outlives them. One relay and one enclave are paused at times, but
//! never end: they are the ones that are measured, at rest.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use self::chance::Chance;
use self::fleet::{Fleet, Held, RATE, Workers, duration};
use self::load::Failure;
use self::mishaps::{Mishaps, Victim};

mod chance;
#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other targets use the rest")]
mod fleet;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod load;
mod mishaps;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod process;

const ENCLAVES: usize = 3;
const GLANCE: Duration = Duration::from_millis(50);
/// The least that caches and allocators are given to fill.
const WARM_UP: Duration = Duration::from_secs(15);
/// What the survivors are given to come to rest.
const REST: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// What a survivor may hold more at the end: a check under way has a descriptor on each side, a runtime a
/// thread for what blocks.
const MORE_DESCRIPTORS: u64 = 4;
const MORE_THREADS: u64 = 1;
/// An allocator keeps some of what was freed.
const MORE_RESIDENT_PERCENT: u64 = 25;
const MORE_RESIDENT_KIB: u64 = 8 * 1024;

fn main() -> Result<ExitCode, Failure> {
    let length = duration(600)?;
    let (chance, seed) = Chance::new()?;
    println!("SEED={seed}; {RATE} requests/s for {length:?}");
    let mut fleet = Fleet::start(ENCLAVES)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let flags = ["--drain-timeout", "3", "--admin-listen", "127.0.0.1:0"];
    let mut victims = Vec::new();
    for name in ["relay-0", "relay-1"] {
        let mut relay = fleet.relay_on(&listener, name, &flags)?;
        relay.start()?;
        victims.push(Victim::new(relay, name == "relay-0"));
    }
    for enclave in fleet.enclaves.drain(..) {
        let survives = enclave.name == "enclave-0";
        victims.push(Victim::new(enclave, survives));
    }

    let warm_up = WARM_UP.max(length / 10);
    let warm_up_outcome = ask(&url, warm_up, &mut victims, None)?;
    warm_up_outcome.print();
    let before = held_at_rest(&victims)?;

    let mishaps = Mishaps::new(chance);
    let outcome = ask(&url, length.saturating_sub(warm_up), &mut victims, Some(mishaps))?;
    for victim in &victims {
        println!("{:<10} {}", victim.server.name, victim.history());
    }
    outcome.print();
    let kept = holds_no_more(&victims, &before)?;
    let served = warm_up_outcome.is_served() && outcome.is_served();
    println!("no request may fail: {}", verdict(served));
    Ok(if kept && served { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Clients that ask for so long, while something happens to those who serve them, if it is to.
fn ask(
    url: &str,
    length: Duration,
    victims: &mut [Victim],
    mut mishaps: Option<Mishaps>,
) -> Result<fleet::Outcome, Failure> {
    let mut workers = Workers::start(url)?;
    let start = Instant::now();
    while start.elapsed() < length {
        if let Some(mishaps) = &mut mishaps {
            mishaps.go_on(victims)?;
        }
        workers.keep_going()?;
        thread::sleep(GLANCE);
    }
    // Nobody waits for a client who waits for somebody that is paused.
    mishaps::end(victims)?;
    workers.stop()
}

fn survivors(victims: &[Victim]) -> impl Iterator<Item = &Victim> {
    victims.iter().filter(|victim| victim.survives)
}

/// What the survivors hold when nobody asks for anything: the least that is seen for a while.
fn held_at_rest(victims: &[Victim]) -> Result<Vec<Held>, Failure> {
    let start = Instant::now();
    let mut least: Vec<Held> = Vec::new();
    while start.elapsed() < REST {
        let now = survivors(victims).map(|victim| victim.server.held());
        let now = now.collect::<Result<Vec<_>, _>>()?;
        least = match least.is_empty() {
            true => now,
            false => least.iter().zip(&now).map(|(a, b)| a.least(b)).collect(),
        };
        thread::sleep(GLANCE);
    }
    Ok(least)
}

/// Whether the survivors come to rest within the bounds, which it prints.
fn holds_no_more(victims: &[Victim], before: &[Held]) -> Result<bool, Failure> {
    println!(
        "bounds: {MORE_DESCRIPTORS} descriptors more, {MORE_THREADS} thread more, \
         {MORE_RESIDENT_PERCENT} % and {MORE_RESIDENT_KIB} KiB more"
    );
    let start = Instant::now();
    loop {
        let after = held_at_rest(victims)?;
        let kept: Vec<bool> = before.iter().zip(&after).map(|(a, b)| is_within(a, b)).collect();
        let all = kept.iter().all(|kept| *kept);
        if !all && start.elapsed() < PATIENCE {
            continue;
        }
        for (victim, ((before, after), kept)) in
            survivors(victims).zip(before.iter().zip(&after).zip(kept))
        {
            println!(
                "{:<10} descriptors {} -> {}, threads {} -> {}, resident {} -> {} KiB: {}",
                victim.server.name,
                before.descriptors,
                after.descriptors,
                before.threads,
                after.threads,
                before.resident_kib,
                after.resident_kib,
                verdict(kept)
            );
        }
        return Ok(all);
    }
}

fn is_within(before: &Held, after: &Held) -> bool {
    let resident = before.resident_kib * (100 + MORE_RESIDENT_PERCENT) / 100 + MORE_RESIDENT_KIB;
    after.descriptors <= before.descriptors + MORE_DESCRIPTORS
        && after.threads <= before.threads + MORE_THREADS
        && after.resident_kib <= resident
}

fn verdict(good: bool) -> &'static str {
    if good { "good" } else { "NOT GOOD" }
}
