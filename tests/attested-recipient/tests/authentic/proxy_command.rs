//! The command `attested-recipient proxy`.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::enclave::{Settings, TestEnclave, pki};
use crate::http::Message;
use crate::proxy::random_request;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attested-recipient"));
    command.arg("proxy").args(arguments).kill_on_drop(true);
    command
}

#[tokio::test]
async fn refuses_to_start_without_expectations_or_on_the_network() {
    let sets = ["--pcr", &format!("0={}", "01".repeat(48))];
    let [pcr, pcr0] = sets;
    let upstream = ["--upstream", "http://127.0.0.1:1"];
    let listen = ["--listen", "127.0.0.1:0"];
    for (arguments, message) in [
        ([&listen[..], &upstream].concat(), "no measurement is expected"),
        ([&listen[..], &upstream, &[pcr, pcr0]].concat(), "no value of PCR16"),
        ([&["--listen", "0.0.0.0:80", "--simulator"][..], &upstream].concat(), "not a loopback"),
        ([&listen[..], &["--upstream", "http://h/path", "--simulator"]].concat(), "without a path"),
    ] {
        let output = command(&arguments).output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}

/// A simulator signs documents with the expected measurements for anyone.
#[tokio::test]
async fn warns_of_simulator_with_measurements() {
    let (pcr0, pcr16) = (format!("0={}", "01".repeat(48)), format!("16={}", "01".repeat(48)));
    let sets = ["--pcr", &pcr0, "--pcr", &pcr16];
    // The missing root ends the command.
    let others =
        ["--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1", "--root", "missing.pem"];
    for (simulator, count) in [(&["--simulator"][..], 1), (&[], 0)] {
        let output = command(&[&sets[..], &others, simulator].concat()).output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("missing.pem"), "{stderr}");
        assert_eq!(stderr.matches("NOTHING IS PROVED").count(), count, "{stderr}");
    }
}

#[tokio::test]
async fn serves_until_sigterm() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let (folder, name) = (tempfile::tempdir().unwrap(), "http://kms.example:8000");
    let socket = folder.path().join("upstream");
    let connect = format!("unix:{}", socket.display());
    let _bridge = bridge(&socket, &enclave.address);
    let arguments =
        ["--listen", "127.0.0.1:0", "--upstream", name, "--connect", &connect, "--simulator"];
    let mut child =
        command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = stdout.next_line().await.unwrap().unwrap();
    let address = line.strip_prefix("proxy listening on ").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&random_request("").to_bytes()).await.unwrap();
    let response = Message::read(&mut stream).await.unwrap();
    assert_eq!(response.start_line(), "HTTP/1.1 200 OK");
    let process = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().await.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("NOTHING IS PROVED"), "{stderr}");
    assert!(stderr.contains("any user of this machine can listen"), "{stderr}");
}

/// Connects a Unix socket to a TCP address.
fn bridge(socket: &std::path::Path, address: &str) -> tokio::task::JoinSet<()> {
    let (listener, address) = (tokio::net::UnixListener::bind(socket).unwrap(), address.to_owned());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut enclave = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(async move {
                // A connection that breaks ends the copy.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut enclave).await;
            });
        }
    });
    tasks
}
