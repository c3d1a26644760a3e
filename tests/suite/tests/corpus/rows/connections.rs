//! F: what single connections do to the relay and the enclave behind it.

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

/// Below what a slow machine takes for a deadline of seconds.
const SOON: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
/// What a connection may cost a process's memory while nobody reads, in KiB: the relay's buffers are
/// 128 KiB, the allocator's habits the rest.
const STALLED_KIB: u64 = 16 * 1024;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        silent(),
        trickling(),
        half_closing(),
        half_closed(),
        resetting(),
        not_reading(),
        in_small_pieces(),
    ]
}

fn silent() -> Row {
    row("F01", "connect and send nothing: closed at the deadline")
        .custom("the relay's", Rejected, || {
            let relayed = RelayedEnclave::with_relay_flags(&["--idle-timeout", "1"]);
            let took = relayed.connect().wait_until_closed();
            assert!(took > SECOND / 2 && took < SOON, "{took:?}");
            relayed.assert_serves("afterwards");
        })
        .exchange_steps("the enclave's", vec![], ClosedBy::Deadline)
}

fn trickling() -> Row {
    row("F02", "one byte a second: total deadline")
        .custom("the relay's, however often it is fed", Rejected, || {
            let relayed =
                RelayedEnclave::with_relay_flags(&["--total-timeout", "2", "--idle-timeout", "1"]);
            let mut talk = relayed.connect();
            let start = Instant::now();
            let request = plain();
            let fed = request.iter().cycle().take_while(|byte| {
                thread::sleep(SECOND / 10);
                talk.stream.write_all(&[**byte]).is_ok()
            });
            let count = fed.count();
            let took = start.elapsed();
            assert!(took > SECOND && took < SOON && count > 1, "{took:?}, {count}");
            relayed.assert_serves("afterwards");
        })
        .custom("the enclave's, within the head", Rejected, || {
            assert_eq!(TestService::new().time_until_closed(b"", &plain()).as_secs(), 30);
        })
        .custom("the enclave's, within the body", Rejected, || {
            let request = plain();
            let (head, body) = request.split_at(request.len() - 20);
            assert_eq!(TestService::new().time_until_closed(head, body).as_secs(), 10);
        })
}

fn half_closing() -> Row {
    let row = row("F04", "client half-closes after its request: gets its answer");
    row.custom("plain, and sealed", Accepted, || {
        let relayed = RelayedEnclave::start();
        for (request, answer) in
            [(plain(), PLAINTEXT_RESPONSE), (relayed.attested(), SEALED_RESPONSE)]
        {
            let mut talk = relayed.connect();
            talk.send(&request);
            talk.half_close();
            talk.receive().assert_is(&answer, "half-closed");
            talk.wait_until_closed();
        }
    })
}

fn half_closed() -> Row {
    row("F05", "enclave half-closes")
        .custom("after the last answer", Accepted, || {
            let relayed = RelayedEnclave::start();
            let mut talk = relayed.connect();
            let last = String::from_utf8(plain()).unwrap();
            talk.send(last.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes());
            talk.receive().assert_is(&PLAINTEXT_RESPONSE.and_close(), "the last");
            // Nothing is lost, and the client's half is the client's to close.
            talk.wait_until_closed();
            drop(talk);
            relayed.assert_serves("afterwards");
        })
        .custom("while the client still sends", Accepted, || {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("enclave");
            let listener = UnixListener::bind(&socket).unwrap();
            let mut command = relay_command("127.0.0.1:0", &socket);
            // The first connection is the client's.
            command.args(["--health-interval", "0"]);
            let proxy = Process::start(command, 1);
            let mut talk = ClientConnection::open(address(&proxy));
            let (mut enclave, _) = listener.accept().unwrap();
            enclave.write_all(b"answer").unwrap();
            enclave.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            talk.stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "answer");
            talk.send(b"more");
            talk.half_close();
            let mut more = String::new();
            enclave.read_to_string(&mut more).unwrap();
            assert_eq!(more, "more");
        })
}

fn resetting() -> Row {
    const TIMES: usize = 50;
    /// Both processes have no more descriptors than before.
    fn leaves_nothing(reset: fn(&RelayedEnclave)) {
        let relayed = RelayedEnclave::start();
        // Threads and runtimes have some of their own, once they have started.
        (0..TIMES).for_each(|_| reset(&relayed));
        relayed.assert_serves("so far");
        let before = [&relayed.proxy, &relayed.enclave].map(Process::stable_descriptors);
        (0..TIMES).for_each(|_| reset(&relayed));
        for (process, before) in [&relayed.proxy, &relayed.enclave].into_iter().zip(before) {
            wait_until("descriptors come back", || (process.descriptors() <= before).then_some(()));
        }
        relayed.assert_serves("afterwards");
    }
    row("F06", "RST in mid-request, mid-response: no descriptor leaks")
        .custom("in mid-request", Rejected, || {
            leaves_nothing(|relayed| {
                let mut talk = relayed.connect();
                talk.send(&plain()[..40]);
                talk.reset();
            });
        })
        .custom("in mid-response", Rejected, || {
            leaves_nothing(|relayed| {
                let mut talk = relayed.connect();
                talk.send(&generate(r#"{"NumberOfBytes":1024}"#).repeat(20));
                talk.stream.read_exact(&mut [0]).unwrap();
                talk.reset();
            });
        })
}

fn not_reading() -> Row {
    row("F07", "client does not read: bounded memory").custom(
        "and asks on and on",
        Accepted,
        || {
            // Both sockets' buffers in the kernel, which may grow to some MiB each, hold questions too.
            const MOST: usize = 32 * 1024 * 1024;
            // Thousands of questions, of which none is to be refused on a machine that is busy.
            let folder = tempfile::tempdir().unwrap();
            let config = folder.path().join("enclave.toml");
            fs::write(&config, "[entropy]\ndeadline_ms = 60000\nwatchdog_ms = 120000\n").unwrap();
            let patient = |mut enclave: Command| {
                enclave.arg("--config").arg(&config);
                enclave
            };
            let relayed = RelayedEnclave::with_commands(patient, |proxy| proxy);
            relayed.assert_serves("before");
            let processes = [&relayed.proxy, &relayed.enclave];
            let before = processes.map(|process| process.kib("VmRSS"));
            let mut talk = relayed.connect();
            let request = generate(r#"{"NumberOfBytes":1024}"#);
            let requests = request.repeat(100);
            talk.stream.set_write_timeout(Some(2 * SECOND)).unwrap();
            let mut sent = 0;
            let stalled = loop {
                match talk.stream.write(&requests[sent % requests.len()..]) {
                    Ok(written) => sent += written,
                    Err(error) => break error,
                }
                assert!(sent < MOST, "{sent} bytes are taken although nobody reads the answers");
            };
            assert_eq!(stalled.kind(), io::ErrorKind::WouldBlock);
            for (process, before) in processes.into_iter().zip(before) {
                let now = process.kib("VmRSS");
                assert!(now < before + STALLED_KIB, "{before} KiB, and then {now}");
            }
            relayed.assert_serves("meanwhile");
            // Once it reads, every question is answered, in full.
            talk.half_close();
            for n in 0..sent / request.len() {
                let answer: Response = talk.receive();
                let random = answer.blob("Plaintext");
                assert_eq!(random.map(|random| random.len()), Some(1024), "{n}: {answer:?}");
            }
        },
    )
}

fn in_small_pieces() -> Row {
    row("F08", "one-byte segments: byte-exact").custom("plain, and sealed", Accepted, || {
        let relayed = RelayedEnclave::start();
        for (request, answer) in
            [(plain(), PLAINTEXT_RESPONSE), (relayed.attested(), SEALED_RESPONSE)]
        {
            let mut talk = relayed.connect();
            // A document whose bytes were not the same would not be verified.
            request.iter().for_each(|byte| talk.send(&[*byte]));
            talk.receive().assert_is(&answer, "in bytes");
        }
    })
}
