//! The production binary as production runs it: booted from its image as the first process, with
//! Linux's own NSM driver, over vsock, measured. QEMU stands in for the hypervisor; all that is missing
//! is AWS's signature. `make qemu-test` builds what this needs and runs it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod boots;
mod calls;
mod checks;
#[path = "../clients/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod clients;
mod configuration;
#[path = "../over_tls/half_closed.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod half_closed;
mod hsm;
mod machine;
#[path = "../over_tls/openssl.rs"]
mod openssl;
mod own;
mod relay;
#[path = "../../sigv4/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod sigv4;
mod tls_guest;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::{Arguments, Trial};

use self::boots::Boots;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One boot after the other, and each check against one that is up.
    arguments.test_threads = Some(1);
    let start = Instant::now();
    let boots = Arc::new(Boots::default());
    let trials = checks::ALL.into_iter().map(|(name, check)| {
        let boots = Arc::clone(&boots);
        Trial::test(name, move || {
            check(&boots);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    println!("qemu-test: {} s", start.elapsed().as_secs());
    conclusion.exit_code()
}
