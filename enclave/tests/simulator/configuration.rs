//! The precedence of flags, environment variables and the configuration file.

use std::fs;
use std::io::{BufRead, Read};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::process::Simulator;

const TABLE: &str = "[server]\nlisten = \"127.0.0.1:1\"\nadmin_listen = \"127.0.0.1:2\"\n\
                     log_endpoint = \"unix:file\"\nlog_format = \"json\"\nlog_level = \"debug\"\n\
                     proxy_protocol = true\n";

const VARIABLES: [(&str, &str); 6] = [
    ("ENCLAVE_LISTEN", "127.0.0.1:11"),
    ("ENCLAVE_ADMIN_LISTEN", "127.0.0.1:12"),
    ("ENCLAVE_LOG_ENDPOINT", "unix:variable"),
    ("ENCLAVE_LOG_FORMAT", "text"),
    ("ENCLAVE_LOG_LEVEL", "warn"),
    ("ENCLAVE_PROXY_PROTOCOL", "false"),
];

const FLAGS: [&str; 6] = [
    "--listen=127.0.0.1:21",
    "--admin-listen=127.0.0.1:22",
    "--log-endpoint=unix:flag",
    "--log-format=json",
    "--log-level=trace",
    "--proxy-protocol",
];

fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn command(config: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enclave-simulator"));
    command.args(config.iter().flat_map(|path| ["--config", path]));
    command
}

/// Returns the printed table `[server]`.
fn server(mut command: Command) -> toml::Table {
    let output = command.arg("--print-config").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed: toml::Table = toml::from_str(&text(&output.stdout)).unwrap();
    printed["server"].as_table().unwrap().clone()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn failure(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_ne!(status.code(), Some(0));
    assert_eq!(text(&stdout), "");
    text(&stderr)
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_file() {
    let (_folder, path) = file(TABLE);
    let expected = |listen, admin, log_endpoint, format, level, proxy: bool| {
        let text = format!(
            "listen = \"tcp:127.0.0.1:{listen}\"\nadmin_listen = \"tcp:127.0.0.1:{admin}\"\n\
             log_endpoint = \"unix:{log_endpoint}\"\nlog_format = \"{format}\"\nlog_level = \"{level}\"\n\
             proxy_protocol = {proxy}\n"
        );
        toml::from_str::<toml::Table>(&text).unwrap()
    };
    assert_eq!(server(command(Some(&path))), expected(1, 2, "file", "json", "debug", true));
    let mut with_variables = command(Some(&path));
    with_variables.envs(VARIABLES);
    assert_eq!(server(with_variables), expected(11, 12, "variable", "text", "warn", false));
    let mut with_all = command(Some(&path));
    with_all.envs(VARIABLES).args(FLAGS);
    assert_eq!(server(with_all), expected(21, 22, "flag", "json", "trace", true));
    // An environment variable may name the file, and each setting may come from another source.
    let mut mixed = command(None);
    mixed.env("ENCLAVE_CONFIG", &path).env("ENCLAVE_LOG_LEVEL", "error").arg(FLAGS[0]);
    assert_eq!(server(mixed), expected(21, 2, "file", "json", "error", true));
}

#[test]
fn missing_listen_address_names_all_three_settings() {
    for config in [None, Some("[server]\nlog_level = \"warn\"\n")] {
        let file = config.map(file);
        let stderr = failure(command(file.as_ref().map(|(_, path)| path.as_str())));
        for way in ["--listen ENDPOINT", "ENCLAVE_LISTEN", "[server] listen"] {
            assert!(stderr.contains(way), "{stderr}");
        }
    }
}

#[test]
fn errors_name_the_file_position_or_the_flag() {
    let (_folder, path) = file("[server]\nlisten = \"127.0.0.1:0\"\nlog_levels = \"warn\"\n");
    let stderr = failure(command(Some(&path)));
    assert!(stderr.contains("line 3 column 1: unknown field `log_levels`"), "{stderr}");
    let mut variable = command(None);
    variable.env("ENCLAVE_LOG_LEVEL", "loud");
    let stderr = failure(variable);
    assert!(stderr.contains("--log-level") && stderr.contains("write error, warn"), "{stderr}");
    let mut both = command(None);
    both.args(["--log-format", "xml"]);
    assert!(failure(both).contains("write text or json"));
}

#[test]
fn printed_config_is_a_valid_config() {
    let mut printed = command(None);
    let output = printed.args(["--listen", "127.0.0.1:0", "--print-config"]).output().unwrap();
    let (_folder, path) = file(&text(&output.stdout));
    let mut again = command(Some(&path));
    assert_eq!(again.arg("--print-config").output().unwrap().stdout, output.stdout);

    let (_folder, path) = file("[auth]\nmode = \"sigv4\"\n");
    let mut wrong = command(Some(&path));
    wrong.args(["--listen", "127.0.0.1:0", "--print-config"]);
    assert!(failure(wrong).contains("[auth] region is missing"));
}

#[test]
fn plaintext_value_is_the_same_in_file_log_and_output() {
    for word in ["never", "attested-tls", "always"] {
        let text =
            format!("[server]\nlisten = \"127.0.0.1:0\"\n[recipient]\nplaintext = \"{word}\"\n");
        let (_folder, path) = file(&text);
        let printed =
            self::text(&command(Some(&path)).arg("--print-config").output().unwrap().stdout);
        assert!(printed.contains(&format!("plaintext = \"{word}\"\n")), "{printed}");
        let mut simulator = command(Some(&path));
        simulator.stderr(Stdio::piped());
        let mut simulator = Simulator::spawn(simulator);
        assert_eq!(simulator.end(), Some(0));
        let mut log = String::new();
        simulator.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let logged = format!("plaintext=\"{word}\"");
        assert!(log.lines().any(|line| line.contains(&logged)), "{log}");
    }
    for (old, new) in [("deny", "\"attested-tls\""), ("allow", "\"always\"")] {
        let (_folder, path) = file(&format!("[recipient]\nplaintext = \"{old}\"\n"));
        let stderr = failure(command(Some(&path)));
        assert!(
            stderr.contains("enclave.toml: line 2 column 13: ") && stderr.contains(new),
            "{stderr}"
        );
    }
}

#[test]
fn file_alone_sets_listeners_and_log_format() {
    let (_folder, path) = file(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nlog_format = \"json\"\n",
    );
    let mut simulator = command(Some(&path));
    simulator.stderr(Stdio::piped());
    let mut simulator = Simulator::spawn(simulator);
    let mut admin = String::new();
    simulator.stdout.as_mut().unwrap().read_line(&mut admin).unwrap();
    assert!(admin.starts_with("enclave-simulator admin listening on 127.0.0.1:"), "{admin}");
    assert_eq!(simulator.end(), Some(0));
    let mut log = String::new();
    simulator.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.lines().count() > 1, "{log}");
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(event["level"].is_string() && event["timestamp"].is_string(), "{line}");
    }
}
