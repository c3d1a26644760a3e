//! Runs every saved input and every seed through its target.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure, and how much was run is to be seen"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

fn saved(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

fn replay(target: &str) {
    let (_, run) = fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let saved = saved(target);
    let seeds = fuzz::seeds::for_target(target);
    assert!(!saved.is_empty() && !seeds.is_empty(), "{target} has no inputs");
    println!("{target}: {} saved inputs, {} seeds", saved.len(), seeds.len());
    let seeds = seeds.into_iter().enumerate().map(|(index, seed)| (format!("seed {index}"), seed));
    let inputs = saved.into_iter().chain(seeds);
    let findings =
        inputs.filter(|(_, input)| catch_unwind(AssertUnwindSafe(|| run(input))).is_err());
    let findings: Vec<String> = findings.map(|(name, _)| name).collect();
    assert!(findings.is_empty(), "{target}: {findings:?}");
}

/// Defines one test per target, and a list of the tested targets. Another test compares the list
/// with all targets.
macro_rules! replay {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

replay! {
    certificate
    cms_open
    document
    endpoint
    http_request
    identity
    json_body
    policy
    proxy_header
    receipt
    recipient_key
    signed_payload
    signed_request
}

#[test]
fn every_target_is_replayed_and_has_a_libfuzzer_binary() {
    assert_eq!(fuzz::TARGETS.map(|(name, _)| name), REPLAYED);
    let binaries = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    for target in REPLAYED {
        let binary = fs::read_to_string(binaries.join(target).with_extension("rs")).unwrap();
        assert!(binary.contains(&format!("fuzz::{target}::run(data)")), "{target}");
    }
}
