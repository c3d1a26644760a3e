//! The production binary on a machine without an NSM device.

#![expect(clippy::unwrap_used, reason = "a failure here is a test's failure")]

use std::fs;
use std::process::{Command, Output};

use nsm_device::NsmDevice;

fn enclave(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_enclave")).args(arguments).output().unwrap()
}

#[test]
fn exits_without_nsm_device_with_advice() {
    assert!(!NsmDevice::is_present(), "this test needs a machine without an NSM device");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(
        &path,
        "[tls]\nmode = \"off\"\n[auth]\nmode = \"none\"\n[recipient]\nrequire = true\n",
    )
    .unwrap();
    fs::write(folder.path().join("salt"), [7; 32]).unwrap();
    let output = enclave(&["--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let [line] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
    for part in ["/dev/nsm cannot be opened", "nitro-cli run-enclave", "enclave-simulator"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn exits_without_configuration_with_advice() {
    let output = enclave(&["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    for part in ["there is no configuration", "--config FILE", "[[credential]]", "[tls] mode"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn exits_without_tls_mode_and_names_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[auth]\nmode = \"none\"\n[recipient]\nrequire = true\n").unwrap();
    fs::write(folder.path().join("salt"), [7; 32]).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()];
    for more in [&[][..], &["--print-config"]] {
        let output = enclave(&[&arguments, more].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        let stderr = text(&output.stderr);
        for part in [
            "enclave.toml: [tls] mode is missing: write",
            "mode = \"attested\" with names (TLS ends in the enclave,",
            "mode = \"provided\" with certificate and private_key (the operator holds",
            "mode = \"off\" (no TLS: the relay and the network can read",
        ] {
            assert!(stderr.contains(part), "{more:?}: {stderr}");
        }
    }
}

#[test]
fn warns_about_a_condition_that_never_matches() {
    let folder = tempfile::tempdir().unwrap();
    let never = r#"{"Bool":{"kms:RecipientAttestation:PCR0":"true"}}"#;
    let allow = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{never}}}}}"#
    );
    fs::write(folder.path().join("wallet.json"), allow).unwrap();
    let path = folder.path().join("enclave.toml");
    let config = "[tls]\nmode = \"off\"\n[auth]\nregion = \"eu-west-1\"\n\
                  [[credential]]\naccess_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = \"s\"\n\
                  principal = \"arn:aws:iam::123456789012:role/wallet\"\n\
                  policies = [\"wallet.json\"]\n";
    fs::write(&path, config).unwrap();
    let output = enclave(&["--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let warning = format!(
        "statement 1 of {}: Bool kms:RecipientAttestation:PCR0 never matches: the key is no boolean",
        folder.path().join("wallet.json").display()
    );
    let warned: Vec<_> = stderr.lines().filter(|line| line.ends_with(&warning)).collect();
    assert!(matches!(&warned[..], [line] if line.contains(" WARN ")), "{stderr}");
}

#[test]
fn rejects_simulator_flags() {
    for switch in ["--simulator", "--simulator-state=state.pem"] {
        let output = enclave(&["--listen", "127.0.0.1:0", switch]);
        assert_eq!(output.status.code(), Some(2), "{switch}");
    }
}

#[test]
fn exits_on_a_simulator_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[simulator]\n").unwrap();
    let output = enclave(&["--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    // The message depends on whether the binary was built together with the simulator.
    let expected = match cfg!(feature = "simulator") {
        true => "[simulator] is only for enclave-simulator: remove it",
        false => "unknown field `simulator`",
    };
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn print_config_redacts_secrets_and_needs_no_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(folder.path().join("salt"), [7; 32]).unwrap();
    fs::write(
        &path,
        "[server]\nlisten = \"vsock:4294967295:5000\"\nlog_endpoint = \"vsock:3:5003\"\n\
         [tls]\nmode = \"off\"\n\
         [auth]\nregion = \"eu-west-1\"\n[[credential]]\naccess_key_id = \"AKIDEXAMPLE\"\n\
         secret_access_key = \"wJalrXUtnFEMI\"\n\
         principal = \"arn:aws:iam::123456789012:role/wallet\"\npolicies = []\n",
    )
    .unwrap();
    let output = enclave(&["--print-config", "--config", path.to_str().unwrap()]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    for line in [
        "listen = \"vsock:4294967295:5000\"",
        "log_endpoint = \"vsock:3:5003\"",
        "secret_access_key = \"(redacted)\"",
        "mode = \"sigv4\"",
        "plaintext = \"attested-tls\"",
        "deadline_ms = 1000",
    ] {
        assert!(stdout.lines().any(|found| found == line), "{line}: {stdout}");
    }
    assert!(!stdout.contains("wJalr") && !stderr.contains("wJalr"), "{stdout}{stderr}");
}

#[test]
fn missing_listen_address_names_all_three_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[auth]\nmode = \"none\"\n").unwrap();
    let output = enclave(&["--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    for way in ["--listen ENDPOINT", "ENCLAVE_LISTEN", "[server] listen"] {
        assert!(stderr.contains(way), "{stderr}");
    }
}

#[test]
fn start_error_is_on_stderr_with_log_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(
        &path,
        "[tls]\nmode = \"off\"\n[auth]\nmode = \"none\"\n[recipient]\nrequire = true\n",
    )
    .unwrap();
    fs::write(folder.path().join("salt"), [7; 32]).unwrap();
    let channel = format!("unix:{}", folder.path().join("lines").display());
    let mut arguments = vec!["--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()];
    arguments.extend(["--log-endpoint", &channel]);
    let output = enclave(&arguments);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let stderr = text(&output.stderr);
    let reason = "enclave stops: the Nitro Secure Module /dev/nsm cannot be opened";
    let lines: Vec<_> = stderr.lines().collect();
    let [waits, last] = lines[..] else { panic!("{stderr}") };
    assert!(
        waits.starts_with("cannot send log lines to unix:") && last.starts_with(reason),
        "{stderr}"
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn version_contains_the_commit() {
    let output = enclave(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let start = format!("enclave {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(stdout.starts_with(&start) && stdout.ends_with(")\n"), "{stdout}");
}
