//! How many instructions verification, sealing and one plain request take: callgrind counts them, so that
//! no clock and no neighbour is in it. A count that leaves its tolerance fails, in either direction: what
//! became dearer is to be explained, what became cheaper to be kept. `make bench-instructions RECORD=yes`
//! records anew what is counted.
//!
//! Counted is what the measured function takes on its own thread. Documents are signed anew in each run,
//! and what a signature takes varies a little, so that several are averaged.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::{env, io};

use serde::{Deserialize, Serialize};

use self::load::BoxError;
use self::workload::Workload;

#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
mod workload;

/// Tells a process of this program's what it is to do.
const ROLE: &str = "COUNTED_WORK";
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/expected.json");

/// What was counted when it was recorded.
#[derive(Debug, Deserialize, Serialize)]
struct Expected {
    /// How far a count may be off, in percent.
    tolerance_percent: f64,
    /// By name.
    instructions: BTreeMap<String, u64>,
}

fn main() -> Result<(), BoxError> {
    if let Some(role) = env::var_os(ROLE) {
        let name = role.to_str().ok_or("unknown workload")?;
        return Workload::named(name)?.run();
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err(
            "valgrind is missing: install it, for example with apt-get install valgrind".into()
        );
    }
    let mut counted = BTreeMap::new();
    for workload in Workload::ALL {
        counted.insert(workload.name().to_owned(), count(workload)?);
    }
    let mut expected: Expected = serde_json::from_slice(&fs::read(EXPECTED)?)?;
    let outside = compare(&counted, &expected);
    if env::var("RECORD").is_ok_and(|record| !record.is_empty()) {
        expected.instructions = counted;
        fs::write(EXPECTED, serde_json::to_string_pretty(&expected)? + "\n")?;
        println!("recorded in {EXPECTED}");
        return Ok(());
    }
    match outside {
        0 => Ok(()),
        _ => {
            Err("instruction counts are outside the tolerance: explain an increase, or record the \
                 new counts with RECORD=yes"
                .into())
        }
    }
}

/// Shows them; how many are off.
fn compare(counted: &BTreeMap<String, u64>, expected: &Expected) -> usize {
    let tolerance = expected.tolerance_percent;
    println!("{:<20}{:>14}{:>14}{:>10}", "instructions", "expected", "counted", "off by");
    let is_outside = |(name, count): &(&String, &u64)| {
        let before = expected.instructions.get(*name).copied().unwrap_or_default();
        let [now, then] = [**count, before].map(as_float);
        let percent = 100.0 * (now / then - 1.0);
        let label = if percent.abs() <= tolerance { "" } else { "  OUTSIDE THE TOLERANCE" };
        println!("{name:<20}{before:>14}{count:>14}{percent:>9.2}%{label}");
        !label.is_empty()
    };
    let outside = counted.iter().filter(is_outside).count();
    println!("tolerance {tolerance}%, {}", env!("CARGO_PKG_NAME"));
    outside
}

/// Exact for what is counted here.
fn as_float(count: u64) -> f64 {
    f64::from(u32::try_from(count / 16).unwrap_or(u32::MAX)) * 16.0
}

/// The instructions that one repetition of `work` takes.
fn count(workload: Workload) -> Result<u64, BoxError> {
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured*"]);
    command.arg(format!("--callgrind-out-file={}", output.display()));
    let done = command.arg(env::current_exe()?).env(ROLE, workload.name()).output()?;
    if !done.status.success() {
        let stderr = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{} failed under valgrind: {stderr}", workload.name()).into());
    }
    Ok(total(&output)? / workload.repetitions())
}

/// What the profile says of all together.
fn total(profile: &Path) -> Result<u64, BoxError> {
    let profile = fs::read_to_string(profile)?;
    let line = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = line.and_then(|line| line.split_whitespace().next());
    let total: u64 =
        total.ok_or_else(|| io::Error::other("the profile contains no totals"))?.parse()?;
    match total {
        0 => Err("no instructions were counted: the measured function was not found".into()),
        total => Ok(total),
    }
}
