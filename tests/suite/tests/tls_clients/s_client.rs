//! `openssl s_client`, which shares no code with the service.

use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};

/// The output of a run.
pub(super) struct SClient {
    succeeded: bool,
    /// Connection details and received data.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl SClient {
    /// Connects to `authority` and sends `input`. If `input` is a request, waits until the server
    /// closes the connection.
    pub(super) fn run(authority: &str, arguments: &[&str], input: &str) -> Self {
        let mut command = Command::new("timeout");
        command.args(["60", "openssl", "s_client", "-connect", authority]).args(arguments);
        if input.contains("HTTP/1.1") {
            command.arg("-ign_eof");
        }
        let piped = || Stdio::piped();
        command.stdin(piped()).stdout(piped()).stderr(piped());
        let mut child = command.spawn().unwrap();
        // The write fails if the process has exited after a failed handshake.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) = (output.stdout, output.stderr);
        Self { succeeded: output.status.success(), stdout, stderr }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.succeeded
    }

    /// Returns whether the output contains exactly this line.
    pub(super) fn has_line(&self, line: &str) -> bool {
        self.output().lines().any(|printed| printed == line)
    }

    /// Returns whether the output contains this text.
    pub(super) fn output_contains(&self, text: &str) -> bool {
        self.output().contains(text)
    }

    /// Returns the received HTTP response, or an empty text.
    pub(super) fn response(&self) -> &[u8] {
        let start = self.stdout.windows(9).position(|window| window == b"HTTP/1.1 ");
        let response = &self.stdout[start.unwrap_or(self.stdout.len())..];
        response.strip_suffix(b"closed\n").unwrap_or(response)
    }

    /// Returns the certificates that the server presented, as PEM. The first is the server's own
    /// certificate.
    pub(super) fn certificates(&self) -> Vec<String> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----\n";
        let output = self.output();
        let certificates = output.split(BEGIN).skip(1);
        certificates.map(|text| [BEGIN, text.split_once(END).unwrap().0, END].concat()).collect()
    }

    fn output(&self) -> String {
        let output = [&self.stdout[..], &self.stderr].concat();
        String::from_utf8_lossy(&output).into_owned()
    }
}

impl fmt::Debug for SClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "succeeded: {}; output:\n{}", self.succeeded, self.output())
    }
}

/// Returns the SubjectPublicKeyInfo (DER) of a PEM certificate.
pub(super) fn public_key_of(certificate: &std::path::Path) -> Vec<u8> {
    let run =
        |program: &str| Command::new("sh").args(["-c", program, "sh"]).arg(certificate).output();
    let program = "openssl x509 -in \"$1\" -noout -pubkey | openssl pkey -pubin -outform DER";
    let output = run(program).unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}
