//! Runs the clients that `tests/suite/clients/setup.sh` installs.

use std::env;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::sigv4::identities::{Identity, WALLET};

/// Time limit that only a hang reaches.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// Checks that `target/clients` is up to date, and returns its path.
pub(super) fn installed() -> &'static Path {
    static CLIENTS: OnceLock<PathBuf> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut setup = Command::new(source("setup.sh"));
        setup.arg("--check").env("CARGO_TARGET_DIR", target);
        let is_up_to_date = run(setup, b"").status.success();
        assert!(
            is_up_to_date,
            "real clients are not installed: run make test (or tests/suite/clients/setup.sh)"
        );
        target.join("clients")
    })
}

/// Returns the path of a file in `tests/suite/clients`.
pub(super) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

/// Returns a command for a program of the Python virtual environment.
pub(super) fn python(program: &str) -> Command {
    clean(Command::new(installed().join("venv/bin").join(program)))
}

/// Returns the path of the interpreter of the Python virtual environment.
pub(crate) fn python_path() -> PathBuf {
    installed().join("venv/bin/python")
}

/// Removes all environment variables except `PATH`, so that the developer's credentials, proxies
/// and settings have no effect.
pub(super) fn clean(mut command: Command) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LANG", "C.UTF-8");
    command
}

/// The URL of the service, and the certificate authorities that the client trusts for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceUrl<'a> {
    pub(crate) url: &'a str,
    /// A PEM file of certificate authorities. `None` means the client's own authorities.
    pub(crate) ca: Option<&'a Path>,
}

impl<'a> From<&'a str> for ServiceUrl<'a> {
    fn from(url: &'a str) -> Self {
        Self { url, ca: None }
    }
}

/// Sets the environment variables that every AWS client reads.
pub(super) fn configure(command: &mut Command, service: ServiceUrl<'_>, identity: &Identity) {
    let Identity { region, access_key_id, secret_access_key, session_token } = *identity;
    command.envs([
        ("AWS_ENDPOINT_URL_KMS", service.url),
        ("AWS_ACCESS_KEY_ID", access_key_id),
        ("AWS_SECRET_ACCESS_KEY", secret_access_key),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        // Two attempts are enough to observe a retry, and keep the test short.
        ("AWS_RETRY_MODE", "standard"),
        ("AWS_MAX_ATTEMPTS", "2"),
    ]);
    command.envs(session_token.map(|token| ("AWS_SESSION_TOKEN", token)));
    command.envs(service.ca.map(|ca| ("AWS_CA_BUNDLE", ca)));
}

/// Runs a command to its end. Kills a command that hangs, and fails the test.
pub(super) fn run(mut command: Command, input: &[u8]) -> Output {
    command.stdin(file_of(input)).kill_on_drop(true);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(async { timeout(HANG_TIMEOUT, command.output()).await });
    let output = output.unwrap_or_else(|_| panic!("did not exit in time: {command:?}"));
    output.unwrap_or_else(|error| panic!("{error}: {command:?}"))
}

/// Runs a command that must succeed, and returns its standard output.
pub(super) fn run_successfully(command: Command, input: &[u8]) -> Vec<u8> {
    let output = run(command, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Returns a file that contains `input`. The client reads the input from the file, so the test
/// needs no thread that writes to a pipe.
fn file_of(input: &[u8]) -> Stdio {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    file.into()
}

/// Runs `aws kms generate-random` of AWS CLI version 1.
pub(crate) fn cli<'a>(service: impl Into<ServiceUrl<'a>>, arguments: &[&str]) -> Output {
    cli_as(&WALLET, service, &[&["generate-random"], arguments].concat())
}

/// Runs an `aws kms` command of AWS CLI version 1 as `identity`.
pub(crate) fn cli_as<'a>(
    identity: &Identity,
    service: impl Into<ServiceUrl<'a>>,
    arguments: &[&str],
) -> Output {
    let mut command = python("aws");
    configure(&mut command, service.into(), identity);
    command.args(["kms", "--output", "json"]).args(arguments);
    run(command, b"")
}

/// Returns botocore's model of KMS.
pub(crate) fn model() -> Value {
    let mut command = python("python");
    command.arg(source("botocore_model.py"));
    serde_json::from_slice(&run_successfully(command, b"")).unwrap()
}
