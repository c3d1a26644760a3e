//! Tests of `--any-of`: an enclave must match all measurements of one set.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::enclave::{Enclave, PCR0, pcr0};
use crate::trust_command::{Outcome, trust, trust_with_root};

/// PCR1 and PCR2 of the enclave.
const PCR1: u8 = 0xb1;
const PCR2: u8 = 0xb2;

fn enclave() -> Enclave {
    Enclave::with_document(|document| {
        document.pcrs.insert(1, [PCR1; 48]);
        document.pcrs.insert(2, [PCR2; 48]);
    })
}

fn hex(byte: u8) -> String {
    const_hex::encode([byte; 48])
}

/// Measurement files in a temporary folder.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file of PCRs, each value one repeated byte.
    fn with(&self, name: &str, registers: &[(u8, u8)]) -> String {
        let registers = registers.iter().map(|(index, byte)| (format!("PCR{index}"), hex(*byte)));
        let json = json!({ "Measurements": registers.collect::<BTreeMap<_, _>>() });
        self.containing(name, &json.to_string())
    }

    fn containing(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Runs `trust` for `enclave` with these options only.
fn run_trust(enclave: &Enclave, options: &[&str]) -> Outcome {
    let (url, root) = (enclave.url(), enclave.root());
    trust(&[&[&url, "--simulator", "--root", &root], options].concat())
}

#[track_caller]
fn assert_matches_set(outcome: &Outcome, file: &str) {
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert!(outcome.stdout.ends_with(&format!(" {file}\n")), "{outcome:?}");
    assert!(outcome.bundle.is_some(), "{outcome:?}");
}

#[test]
fn accepts_enclave_that_matches_one_set() {
    let (enclave, files) = (enclave(), Files::new());
    let held = files.with("held.json", &[(0, PCR0[0]), (1, PCR1)]);
    let other = files.with("other.json", &[(0, 1), (1, 2)]);
    for sets in [[&held, &other], [&other, &held]] {
        let outcome = run_trust(&enclave, &["--any-of", sets[0], "--any-of", sets[1]]);
        assert_matches_set(&outcome, &held);
        assert!(!outcome.stderr.contains("--any-of"), "{outcome:?}");
    }
    assert_matches_set(&run_trust(&enclave, &["--any-of", &held]), &held);
    run_trust(&enclave, &["--any-of", &other]).assert_fails(14, "matches no --any-of file");
    // Without `--any-of`, the line has three fields.
    let outcome = trust_with_root(&enclave.url(), &enclave, &[]);
    assert_eq!(outcome.stdout.trim_end().split(' ').count(), 3, "{outcome:?}");
}

#[test]
fn rejects_pcrs_that_match_in_different_sets() {
    let (enclave, files) = (enclave(), Files::new());
    let a = files.with("a.json", &[(0, PCR0[0]), (1, 2)]);
    let b = files.with("b.json", &[(0, 1), (1, PCR1)]);
    let message = format!(
        "unexpected measurement: the enclave matches no --any-of file: \
         {a}: PCR1 is {}, not {}; {b}: PCR0 is {}, not {};",
        hex(PCR1),
        hex(2),
        hex(PCR0[0]),
        hex(1)
    );
    run_trust(&enclave, &["--any-of", &a, "--any-of", &b]).assert_fails(14, &message);
    // A third set in which only PCR2 matches does not change the result.
    let c = files.with("c.json", &[(0, 3), (1, 4), (2, PCR2)]);
    let options = ["--any-of", &a, "--any-of", &b, "--any-of", &c];
    run_trust(&enclave, &options).assert_fails(14, &format!("{c}: PCR0 is {}", hex(PCR0[0])));
}

#[test]
fn requires_pcr_options_in_addition_to_a_matching_set() {
    let (enclave, files) = (enclave(), Files::new());
    let held = files.with("held.json", &[(0, PCR0[0]), (1, PCR1)]);
    let other = files.with("other.json", &[(0, 1), (1, 2)]);
    let sets = ["--any-of", &held, "--any-of", &other];
    let with = |more: &[&str]| run_trust(&enclave, &[&sets, more].concat());
    let right = format!("2={}", hex(PCR2));
    let wrong = format!("2={}", hex(3));
    let (right_file, wrong_file) =
        (files.with("right.json", &[(2, PCR2)]), files.with("wrong.json", &[(2, 3)]));
    assert_matches_set(&with(&["--pcr", &right]), &held);
    assert_matches_set(&with(&["--pcrs-file", &right_file]), &held);
    let message = format!("PCR2 is {}, not {}", hex(PCR2), hex(3));
    with(&["--pcr", &wrong]).assert_fails(14, &message);
    with(&["--pcrs-file", &wrong_file]).assert_fails(14, &message);
    // If neither set matches, the error contains both sets.
    let outcome = run_trust(&enclave, &["--any-of", &other, "--pcr", &wrong]);
    outcome.assert_fails(14, &format!("{message}, the enclave matches no --any-of file: {other}"));
}

#[test]
fn rejects_set_that_contradicts_pcr_options() {
    let (enclave, files) = (enclave(), Files::new());
    let held = files.with("held.json", &[(0, PCR0[0]), (1, PCR1)]);
    let other = files.with("other.json", &[(0, 1)]);
    for (sets, common) in [
        // The value of `--pcr` matches, does not match, or contradicts only one of the sets.
        (vec![&other], pcr0()),
        (vec![&held], format!("0={}", hex(1))),
        (vec![&held, &other], pcr0()),
    ] {
        let sets = sets.iter().flat_map(|set| ["--any-of", set]).collect::<Vec<_>>();
        let outcome = run_trust(&enclave, &[&sets[..], &["--pcr", &common]].concat());
        outcome.assert_fails(2, "PCR0 has conflicting expected values");
    }
    let outcome = run_trust(&enclave, &["--any-of", &held, "--pcrs-file", &other]);
    outcome.assert_fails(2, &format!("{held}: PCR0 has conflicting expected values"));
}

#[test]
fn repeated_options_do_not_weaken_checks() {
    let (enclave, files) = (enclave(), Files::new());
    let held = files.with("held.json", &[(0, PCR0[0]), (1, PCR1)]);
    let other = files.with("other.json", &[(0, 1), (1, 2)]);
    let part = files.with("part.json", &[(0, PCR0[0]), (1, PCR1), (2, 3)]);
    assert_matches_set(&run_trust(&enclave, &["--any-of", &held, "--any-of", &held]), &held);
    for wrong in [&other, &part] {
        let outcome = run_trust(&enclave, &["--any-of", wrong, "--any-of", wrong]);
        outcome.assert_fails(14, "matches no --any-of file");
    }
    // All files of --pcrs-file must match, in any order.
    let (pcr1, pcr2) = (files.with("1.json", &[(1, PCR1)]), files.with("2.json", &[(2, 3)]));
    for files in [[&held, &pcr2], [&pcr2, &held], [&pcr1, &pcr2]] {
        let outcome = run_trust(&enclave, &["--pcrs-file", files[0], "--pcrs-file", files[1]]);
        outcome.assert_fails(14, &format!("PCR2 is {}, not {}", hex(PCR2), hex(3)));
    }
    let outcome = run_trust(&enclave, &["--pcrs-file", &held, "--pcrs-file", &other]);
    outcome.assert_fails(2, "conflicting expected values");
    // The set contains a PCR twice.
    let twice = format!(r#"{{"PCR0": "{}", "PCR0": "{}"}}"#, hex(1), hex(PCR0[0]));
    let twice = files.containing("twice.json", &twice);
    run_trust(&enclave, &["--any-of", &held, "--any-of", &twice])
        .assert_fails(2, "conflicting expected values");
}

#[test]
fn rejects_empty_and_all_zero_sets() {
    let (enclave, files) = (enclave(), Files::new());
    let held = files.with("held.json", &[(0, PCR0[0])]);
    for (content, message) in [
        (String::new(), "not a JSON object"),
        ("{}".to_owned(), "contains no PCR"),
        (r#"{"Measurements": {}}"#.to_owned(), "contains no PCR"),
        (r#"{"PCR17": null}"#.to_owned(), "contains no PCR"),
        (format!(r#"{{"PCR0": "{0}", "PCR1": "{0}", "PCR2": "{0}"}}"#, hex(0)), "PCR0 is zero"),
        (format!(r#"{{"PCR0": "{}", "PCR8": "{}"}}"#, hex(1), hex(0)), "PCR8 is zero"),
    ] {
        let empty = files.containing("empty.json", &content);
        for options in [vec!["--any-of", &empty], vec!["--any-of", &held, "--any-of", &empty]] {
            let outcome = run_trust(&enclave, &options);
            outcome.assert_fails(2, message);
            assert!(outcome.stderr.contains(&empty), "{outcome:?}");
        }
    }
    run_trust(&enclave, &["--any-of", "/does/not/exist"]).assert_fails(2, "/does/not/exist");
}

#[test]
fn warns_of_set_that_omits_a_pcr() {
    let (enclave, files) = (enclave(), Files::new());
    let whole = files.with("whole.json", &[(0, PCR0[0]), (2, PCR2)]);
    let bare = files.with("bare.json", &[(1, PCR1)]);
    let image =
        format!("neither PCR0 (the image) nor PCR8 (its signer) is compared (--any-of {bare})");
    let missing = format!("--any-of {bare}: has no PCR0, PCR2");
    let outcome = run_trust(&enclave, &["--any-of", &whole, "--any-of", &bare]);
    assert_matches_set(&outcome, &whole);
    for warning in [&image, &missing] {
        assert!(outcome.stderr.contains(warning), "{warning}: {outcome:?}");
    }
    // A PCR that `--pcr` compares is not reported as omitted from a set.
    let outcome = run_trust(&enclave, &["--any-of", &bare, "--pcr", &pcr0()]);
    assert_matches_set(&outcome, &bare);
    assert!(!outcome.stderr.contains("--any-of"), "{outcome:?}");
}

#[test]
fn rejects_enclave_after_the_end_of_its_set() {
    let (enclave, files) = (enclave(), Files::new());
    let until = |name: &str, end: &str| {
        let json = format!(r#"{{"PCR0": "{}", "not_after": "{end}"}}"#, hex(PCR0[0]));
        files.containing(name, &json)
    };
    let ended = until("ended.json", "2026-01-31T00:00:00Z");
    let current = until("current.json", "2999-01-31T00:00:00Z");
    let message = "valid until 2026-01-31T00:00:00Z (not_after) only";
    for option in ["--any-of", "--pcrs-file"] {
        run_trust(&enclave, &[option, &ended]).assert_fails(14, message);
        assert_eq!(run_trust(&enclave, &[option, &current]).status, 0);
    }
    assert_matches_set(&run_trust(&enclave, &["--any-of", &ended, "--any-of", &current]), &current);
}
