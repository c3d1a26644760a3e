//! Tests of custom key stores on PKCS#11. SoftHSM provides the random bytes. Between the service
//! and SoftHSM is the module `tests/suite/key-stores/spy.c`, which logs the calls and injects
//! faults. `tests/suite/key-stores/setup.sh` installs SoftHSM. Each service runs in its own
//! process, because a module and its settings apply to a whole process.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[path = "../clients/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod clients;
mod describe;
mod errors;
mod kms_model;
mod metrics;
mod random_bytes;
mod recovery;
#[path = "../secret_leaks/secret_search.rs"]
mod secret_search;
mod service;
mod sessions;
#[path = "../../sigv4/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod sigv4;
mod simulator_process;
mod softhsm;
mod startup;
mod store_config;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test's name and function.
type Case = (&'static str, fn());

fn main() -> ExitCode {
    if let Some(status) = simulator_process::serve_if_requested() {
        return status;
    }
    let cases = [
        random_bytes::CASES,
        metrics::CASES,
        recovery::CASES,
        sessions::CASES,
        startup::CASES,
        describe::CASES,
    ];
    let trial = |(name, function): Case| {
        Trial::test(name, move || {
            function();
            Ok(())
        })
    };
    let trials = cases.concat().into_iter().map(trial).chain(errors::trials());
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
