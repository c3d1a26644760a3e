use std::fs;

use crate::enclave::pcr0;
use crate::trust_command::trust;

/// An address without a listener.
const URL: &str = "https://127.0.0.1:1";

#[test]
fn requires_an_expected_measurement() {
    trust(&[URL]).assert_fails(2, "any enclave would pass");
}

#[test]
fn rejects_urls_other_than_https_host_and_port() {
    for url in ["http://127.0.0.1:1", "127.0.0.1:1", "https://127.0.0.1:1/path", "https://u@h"] {
        trust(&[url, "--pcr", &pcr0()]).assert_fails(2, "expected https://HOST[:PORT]");
    }
    trust(&["--pcr", &pcr0()]).assert_fails(2, "<URL>...");
}

#[test]
fn rejects_zero_and_contradictory_pcrs() {
    let hex = |byte: &str| byte.repeat(48);
    let run = |pcr: &str| trust(&[URL, "--pcr", &pcr0(), "--pcr", pcr]);
    run(&format!("0={}", hex("00"))).assert_fails(2, "PCR0 is zero, as in debug mode");
    run(&format!("2={}", hex("00"))).assert_fails(2, "PCR2 is zero, as in debug mode");
    run(&format!("0={}", hex("01"))).assert_fails(2, "PCR0 has conflicting expected values");
    // PCR8 of every unsigned image has this value.
    run(&format!("8={}", hex("00"))).assert_fails(2, "PCR8 is zero, as in debug mode");
    // An option may be repeated with the same value.
    run(&pcr0()).assert_fails(1, "cannot connect");
}

#[test]
fn rejects_invalid_measurement_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pcrs.json");
    let path = path.to_str().unwrap();
    let hex = |byte: &str| byte.repeat(48);
    let one = hex("01");
    for (content, message) in [
        (String::new(), "not a JSON object"),
        ("[]".to_owned(), "not a JSON object"),
        (format!(r#"{{"PCR0": "{one}"}} x"#), "not a JSON object"),
        ("{}".to_owned(), "contains no PCR"),
        (r#"{"commit": "c", "Measurements": {}}"#.to_owned(), "contains no PCR"),
        (r#"{"PCR17": null}"#.to_owned(), "contains no PCR"),
        (format!(r#"{{"PCR8": "{one}", "PCR0": null}}"#), "PCR0 is null"),
        (format!(r#"{{"PCR8": "{one}", "pcr0": "{one}"}}"#), "pcr0 is not the name of a PCR"),
        (format!(r#"{{"PCR8": "{one}", "PCR+0": "{one}"}}"#), "PCR+0 is not the name of a PCR"),
        (format!(r#"{{"PCR8": "{one}", "PCR": "{one}"}}"#), "PCR is not the name of a PCR"),
        (format!(r#"{{"PCR8": "{one}", " PCR0": "{one}"}}"#), " PCR0 is not the name of a PCR"),
        (
            format!(r#"{{"PCR8": "{one}", "Measurement": {{"PCR0": "{one}"}}}}"#),
            "Measurement contains PCRs, which are allowed at the top level and in Measurements only",
        ),
        (
            format!(r#"{{"PCR8": "{one}", "ImageSha384": "{one}"}}"#),
            "ImageSha384 is not the name of a PCR",
        ),
        (
            format!(r#"{{"PCR8": "{one}", "measurements": {{"PCR0": "{one}"}}}}"#),
            "measurements is not the object",
        ),
        (
            format!(r#"{{"PCR8": "{one}", "Measurements": [{{"PCR0": "{one}"}}]}}"#),
            "Measurements is not the object",
        ),
        (r#"{"PCR0": "01"}"#.to_owned(), "PCR0: the value is not 48 bytes"),
        (r#"{"PCR0": 1}"#.to_owned(), "PCR0 is not a string"),
        (format!(r#"{{"PCR32": "{one}"}}"#), "PCR32 is not the name of a PCR"),
        (format!(r#"{{"PCR0": "{}"}}"#, hex("00")), "PCR0 is zero"),
        (format!(r#"{{"PCR0": "{one}", "PCR0": "{}"}}"#, hex("02")), "conflicting expected values"),
        (
            format!(r#"{{"Measurements": {{"PCR0": "{one}", "PCR0": "{}"}}}}"#, hex("02")),
            "conflicting expected values",
        ),
        (format!(r#"{{"PCR0": "{one}"}}"#), "conflicting expected values"),
    ] {
        fs::write(path, &content).unwrap();
        let outcome = trust(&[URL, "--pcr", &pcr0(), "--pcrs-file", path]);
        outcome.assert_fails(2, message);
        assert!(outcome.stderr.contains(path), "{content}: {outcome:?}");
    }
    trust(&[URL, "--pcrs-file", "/does/not/exist"]).assert_fails(2, "/does/not/exist");
    trust(&[URL, "--pcr", &pcr0(), "--root", path]).assert_fails(2, "holds no CERTIFICATE");
}

#[test]
fn help_lists_every_exit_status() {
    let mut command = suite::command();
    let output = command.args(["trust", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for status in [0, 1, 2, 10, 11, 12, 13, 14, 15, 16] {
        assert!(help.contains(&format!("\n  {status:>2}  ")), "{status}: {help}");
    }
}
