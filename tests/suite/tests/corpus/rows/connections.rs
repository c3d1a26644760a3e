//! Rows F: the effects of single connections on the relay and the enclave.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::binaries::{Process, wait_until};
use crate::harness::relayed_enclave::{ClientConnection, RelayedEnclave, address, relay_command};
use crate::harness::requests::{PLAINTEXT_RESPONSE, SEALED_RESPONSE, generate, plain};
use crate::harness::response::Response;
use crate::harness::row::{Row, row};
use crate::harness::service::{ClosedBy, TestService};
use crate::harness::summary::Outcome::{Accepted, Rejected};

/// Maximum time until a connection closes. On a slow machine, a deadline of a few seconds can take
/// that long.
const MAX_CLOSE_TIME: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
/// Maximum memory growth of a process for one connection whose client does not read, in KiB. The
/// relay's buffers need 128 KiB. The rest is a margin for the allocator.
const STALLED_KIB: u64 = 16 * 1024;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        silent_connections(),
        trickling_requests(),
        half_closing_client(),
        half_closed_by_enclave(),
        reset_connections(),
        slow_reader(),
        small_segments(),
    ]
}

fn silent_connections() -> Row {
    row("F01", "silent connection: closed at the deadline")
        .custom("by the relay", Rejected, || {
            let deployment = RelayedEnclave::with_relay_flags(&["--idle-timeout", "1"]);
            let elapsed = deployment.connect().wait_until_closed();
            assert!(elapsed > SECOND / 2 && elapsed < MAX_CLOSE_TIME, "{elapsed:?}");
            deployment.assert_serves("afterwards");
        })
        .exchange_steps("by the enclave", vec![], ClosedBy::Deadline)
}

fn trickling_requests() -> Row {
    row("F02", "one byte a second: total deadline")
        .custom("by the relay, regardless of activity", Rejected, || {
            let deployment =
                RelayedEnclave::with_relay_flags(&["--total-timeout", "2", "--idle-timeout", "1"]);
            let mut connection = deployment.connect();
            let start = Instant::now();
            let request = plain();
            let written = request.iter().cycle().take_while(|byte| {
                thread::sleep(SECOND / 10);
                connection.stream.write_all(&[**byte]).is_ok()
            });
            let count = written.count();
            let elapsed = start.elapsed();
            assert!(
                elapsed > SECOND && elapsed < MAX_CLOSE_TIME && count > 1,
                "{elapsed:?}, {count}"
            );
            deployment.assert_serves("afterwards");
        })
        .custom("by the enclave, within the head", Rejected, || {
            assert_eq!(TestService::new().time_until_closed(b"", &plain()).as_secs(), 30);
        })
        .custom("by the enclave, within the body", Rejected, || {
            let request = plain();
            let (head, body) = request.split_at(request.len() - 20);
            assert_eq!(TestService::new().time_until_closed(head, body).as_secs(), 10);
        })
}

fn half_closing_client() -> Row {
    let row = row("F04", "client half-closes after its request: receives the response");
    row.custom("without and with a Recipient", Accepted, || {
        let deployment = RelayedEnclave::start();
        for (request, response) in
            [(plain(), PLAINTEXT_RESPONSE), (deployment.attested(), SEALED_RESPONSE)]
        {
            let mut connection = deployment.connect();
            connection.send(&request);
            connection.half_close();
            connection.receive().assert_is(&response, "half-closed");
            connection.wait_until_closed();
        }
    })
}

fn half_closed_by_enclave() -> Row {
    row("F05", "enclave half-closes")
        .custom("after the last response", Accepted, || {
            let deployment = RelayedEnclave::start();
            let mut connection = deployment.connect();
            let last = String::from_utf8(plain()).unwrap();
            connection.send(last.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes());
            connection.receive().assert_is(&PLAINTEXT_RESPONSE.and_close(), "the last response");
            // The client receives all bytes. The client's sending half stays open until the client
            // closes it.
            connection.wait_until_closed();
            drop(connection);
            deployment.assert_serves("afterwards");
        })
        .custom("while the client still sends", Accepted, || {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("enclave");
            let listener = UnixListener::bind(&socket).unwrap();
            let mut command = relay_command("127.0.0.1:0", &socket);
            // Health checks are disabled, so the first accepted connection is the client's.
            command.args(["--health-interval", "0"]);
            let proxy = Process::start(command, 1);
            let mut connection = ClientConnection::open(address(&proxy));
            let (mut enclave, _) = listener.accept().unwrap();
            enclave.write_all(b"answer").unwrap();
            enclave.shutdown(Shutdown::Write).unwrap();
            let mut response = String::new();
            connection.stream.read_to_string(&mut response).unwrap();
            assert_eq!(response, "answer");
            connection.send(b"more");
            connection.half_close();
            let mut more = String::new();
            enclave.read_to_string(&mut more).unwrap();
            assert_eq!(more, "more");
        })
}

fn reset_connections() -> Row {
    const REPETITIONS: usize = 50;
    /// Asserts that neither process has more open descriptors after `test` than before.
    fn assert_no_descriptor_leak(reset: fn(&RelayedEnclave)) {
        let deployment = RelayedEnclave::start();
        // A request before the measurement makes threads and runtimes open their own descriptors.
        (0..REPETITIONS).for_each(|_| reset(&deployment));
        deployment.assert_serves("after the first round");
        let before = [&deployment.proxy, &deployment.enclave].map(Process::stable_descriptors);
        (0..REPETITIONS).for_each(|_| reset(&deployment));
        for (process, before) in [&deployment.proxy, &deployment.enclave].into_iter().zip(before) {
            wait_until("the descriptors are closed", || {
                (process.descriptors() <= before).then_some(())
            });
        }
        deployment.assert_serves("afterwards");
    }
    row("F06", "RST during request or response: no descriptor leak")
        .custom("during the request", Rejected, || {
            assert_no_descriptor_leak(|deployment| {
                let mut connection = deployment.connect();
                connection.send(&plain()[..40]);
                connection.reset();
            });
        })
        .custom("during the response", Rejected, || {
            assert_no_descriptor_leak(|deployment| {
                let mut connection = deployment.connect();
                connection.send(&generate(r#"{"NumberOfBytes":1024}"#).repeat(20));
                connection.stream.read_exact(&mut [0]).unwrap();
                connection.reset();
            });
        })
}

fn slow_reader() -> Row {
    row("F07", "client does not read: bounded memory").custom(
        "and keeps sending requests",
        Accepted,
        || {
            // The limit includes requests in the kernel's socket buffers. Each buffer may grow to a
            // few MiB.
            const MAX_GROWTH: usize = 32 * 1024 * 1024;
            // The deadlines are long, so that none of the thousands of requests times out on a busy
            // machine.
            let folder = tempfile::tempdir().unwrap();
            let config = folder.path().join("enclave.toml");
            fs::write(&config, "[entropy]\ndeadline_ms = 60000\nwatchdog_ms = 120000\n").unwrap();
            let with_config = |mut enclave: Command| {
                enclave.arg("--config").arg(&config);
                enclave
            };
            let deployment = RelayedEnclave::with_commands(with_config, |proxy| proxy);
            deployment.assert_serves("before");
            let processes = [&deployment.proxy, &deployment.enclave];
            let before = processes.map(|process| process.kib("VmRSS"));
            let mut connection = deployment.connect();
            let request = generate(r#"{"NumberOfBytes":1024}"#);
            let requests = request.repeat(100);
            connection.stream.set_write_timeout(Some(2 * SECOND)).unwrap();
            let mut sent = 0;
            let stalled = loop {
                match connection.stream.write(&requests[sent % requests.len()..]) {
                    Ok(written) => sent += written,
                    Err(error) => break error,
                }
                assert!(
                    sent < MAX_GROWTH,
                    "{sent} bytes were accepted although the client does not read"
                );
            };
            assert_eq!(stalled.kind(), io::ErrorKind::WouldBlock);
            for (process, before) in processes.into_iter().zip(before) {
                let now = process.kib("VmRSS");
                assert!(now < before + STALLED_KIB, "{before} KiB, and then {now}");
            }
            deployment.assert_serves("meanwhile");
            // When the client reads, every request must have its complete response.
            connection.half_close();
            for n in 0..sent / request.len() {
                let response: Response = connection.receive();
                let random = response.blob("Plaintext");
                assert_eq!(random.map(|random| random.len()), Some(1024), "{n}: {response:?}");
            }
        },
    )
}

fn small_segments() -> Row {
    row("F08", "one-byte segments: byte-exact").custom(
        "without and with a Recipient",
        Accepted,
        || {
            let deployment = RelayedEnclave::start();
            for (request, response) in
                [(plain(), PLAINTEXT_RESPONSE), (deployment.attested(), SEALED_RESPONSE)]
            {
                let mut connection = deployment.connect();
                // The verification of the document fails if a byte of it was changed.
                request.iter().for_each(|byte| connection.send(&[*byte]));
                connection.receive().assert_is(&response, "in one-byte segments");
            }
        },
    )
}
