//! A simulator process, and its HTTP client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running simulator, which is killed on drop.
pub(crate) struct Simulator {
    pub(crate) process: Child,
    /// The standard output after the announcement of the endpoint: the audit trail.
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    pub(crate) endpoint: String,
}

impl Simulator {
    pub(crate) fn start(listen: &str, arguments: &[&str]) -> Self {
        Self::start_with_log(listen, arguments, Stdio::inherit())
    }

    pub(crate) fn start_with_log(listen: &str, arguments: &[&str], log: Stdio) -> Self {
        let mut command = Self::command(listen, arguments);
        command.stderr(log);
        Self::spawn(command)
    }

    /// Returns the command that starts a simulator.
    pub(crate) fn command(listen: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_enclave-simulator"));
        command.args(["--listen", listen]).args(arguments);
        command
    }

    /// Starts a simulator, and waits until it listens.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let endpoint = line.strip_prefix("enclave-simulator listening on ").unwrap().trim();
        Self { endpoint: endpoint.to_owned(), stdout: Some(stdout), process }
    }

    pub(crate) fn root(&self) -> String {
        let mut stream = TcpStream::connect(&self.endpoint).unwrap();
        get(&mut stream, "/simulator/root.pem")
    }

    pub(crate) fn generate_random(&self, body: &str) -> String {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Content-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(&self.endpoint).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Sends SIGTERM, and returns the exit code; `None` if a signal killed the process.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.end()
    }

    pub(crate) fn end(&mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Sends a GET request, and returns the body of the 200 response.
pub(crate) fn get(stream: &mut (impl Read + Write), path: &str) -> String {
    let (head, body) = send(stream, "GET", path);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body
}

/// Returns whether the first line of `/readyz` is `ready`.
pub(crate) fn is_ready(stream: &mut (impl Read + Write)) -> bool {
    get(stream, "/readyz").lines().next() == Some("ready")
}

/// Sends a request, and returns the head and the body of the response.
pub(crate) fn send(stream: &mut (impl Read + Write), method: &str, path: &str) -> (String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
