//! Tests of the production binary in a virtual machine. The machine boots the enclave's image, with
//! the binary as PID 1. The enclave uses Linux's NSM driver and vsock, and QEMU measures the image.
//! Unlike Nitro, QEMU does not sign attestation documents. `make qemu-test` builds the
//! prerequisites and runs the tests.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod checks;
#[path = "../clients/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod clients;
mod configuration;
mod enclave_document;
mod guests;
#[path = "../tls_clients/half_close.rs"]
#[allow(dead_code, reason = "other tests use the other items")]
mod half_close;
mod hsm_image;
mod kms_calls;
mod receipt;
mod relay;
#[path = "../tls_clients/s_client.rs"]
mod s_client;
#[path = "../../sigv4/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod sigv4;
mod tls_guest;
mod unverified_client;
mod virtual_machine;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::{Arguments, Trial};

use self::guests::Guests;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Enclaves are booted one after the other. Each check uses an enclave that is running.
    arguments.test_threads = Some(1);
    let start = Instant::now();
    let guests = Arc::new(Guests::default());
    let trials = checks::ALL.into_iter().map(|(name, check)| {
        let guests = Arc::clone(&guests);
        Trial::test(name, move || {
            check(&guests);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    println!("qemu-test: {} s", start.elapsed().as_secs());
    conclusion.exit_code()
}
