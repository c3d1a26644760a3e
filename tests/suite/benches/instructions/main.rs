//! Benchmark of the number of instructions of verification, of sealing, and of one request without a
//! Recipient. callgrind counts the instructions, so the clock and other load have no effect. The
//! benchmark fails if a count is too high or too low. Find the reason for an increase. Record a decrease
//! with `make bench-instructions RECORD=yes`.
//!
//! Only the instructions of the measured function on its own thread count. Each run signs new documents,
//! and the cost of the verification of a signature varies slightly. The result is therefore the average
//! of several repetitions.

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

/// Environment variable that makes a process of this program run one workload.
const ROLE: &str = "COUNTED_WORK";
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/expected.json");

/// The file with the recorded counts.
#[derive(Debug, Deserialize, Serialize)]
struct Expected {
    /// Maximum deviation of a count, in percent.
    tolerance_percent: f64,
    /// Instructions per repetition, by the name of the workload.
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

/// Prints the counts. Returns the number of counts that are outside the tolerance.
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

/// Converts a count to `f64`, with an error of less than 16.
fn as_float(count: u64) -> f64 {
    f64::from(u32::try_from(count / 16).unwrap_or(u32::MAX)) * 16.0
}

/// Returns the instructions of one repetition of `workload`.
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

/// Returns the total of a profile.
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
