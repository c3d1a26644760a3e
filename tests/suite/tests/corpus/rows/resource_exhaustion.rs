//! Rows F: many clients, and processes with few descriptors or little memory.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::binaries::{Process, wait_until, with_ulimit};
use crate::connection_flood::ConnectionFlood;
use crate::harness::relayed_enclave::{RelayedEnclave, address};
use crate::harness::requests::{GENERATE_RANDOM, JSON};
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome::Accepted;

pub(crate) fn rows() -> Vec<Row> {
    vec![flood(), descriptor_limit(), memory_limit()]
}

/// An upper bound of the descriptors that a process has open without connections.
const OWN_DESCRIPTORS: usize = 64;

fn flood() -> Row {
    const TOTAL_CONNECTIONS: usize = 10_000;
    /// The number of simultaneous connections. It is above the relay's limit, and the connections
    /// above the limit fit into the kernel's backlog.
    const CONCURRENT_CONNECTIONS: usize = 600;
    const MAX_CONNECTIONS: usize = 256;
    /// Maximum memory growth of the relay during the flood, in KiB. A stalled connection would need
    /// 128 KiB, but none of these connections is stalled.
    const MAX_GROWTH_KIB: u64 = 32 * 1024;
    let row = row("F03", "10,000 connections: bounded, and other clients are served");
    row.custom("silent connections", Accepted, || {
        raise_descriptors();
        let deployment =
            RelayedEnclave::with_relay_flags(&["--max-connections", &MAX_CONNECTIONS.to_string()]);
        deployment.assert_serves("before");
        let before = deployment.proxy.kib("VmRSS");
        let (at, proxy) = (address(&deployment.proxy), &deployment.proxy);
        let served = thread::scope(|scope| {
            let flood = scope.spawn(move || {
                let mut held = std::collections::VecDeque::new();
                for _ in 0..TOTAL_CONNECTIONS {
                    held.push_back(TcpStream::connect(at).unwrap());
                    if held.len() > CONCURRENT_CONNECTIONS {
                        held.pop_front();
                    }
                }
            });
            let mut served = 0;
            while !flood.is_finished() || served == 0 {
                deployment.wait_until_serves();
                served += 1;
                let descriptors = proxy.descriptors();
                assert!(descriptors <= 2 * MAX_CONNECTIONS + OWN_DESCRIPTORS, "{descriptors}");
            }
            served
        });
        assert!(served > 1, "{served}");
        let now = proxy.kib("VmHWM");
        assert!(now < before + MAX_GROWTH_KIB, "{before} KiB before, and up to {now}");
        deployment.assert_serves("afterwards");
    })
    .custom("reopened connections from another address", Accepted, || {
        flood_from([127, 0, 0, 2], |deployment| deployment.assert_serves("during the flood"));
    })
    .custom("reopened connections from the client's address", Accepted, || {
        // If an address has 16 connections, the relay evicts one of them within a millisecond.
        // A slow client may not have sent a byte by then. An evicted client retries, as SDKs do.
        flood_from([127, 0, 0, 1], RelayedEnclave::wait_until_serves);
    })
}

/// Opens more silent connections than the relay accepts, and reopens each connection that the relay
/// closes.
fn flood_from(address: [u8; 4], serves: impl Fn(&RelayedEnclave)) {
    const SILENT_CONNECTIONS: usize = 200;
    const REQUESTS: usize = 20;
    let deployment = RelayedEnclave::with_relay_flags(&["--max-connections", "64"]);
    let to = self::address(&deployment.proxy);
    let flood = ConnectionFlood::start((address, 0).into(), to, SILENT_CONNECTIONS).unwrap();
    for _ in 0..REQUESTS {
        serves(&deployment);
    }
    let opened = flood.stop();
    assert!(opened > SILENT_CONNECTIONS, "none of {opened} connections was closed");
    deployment.assert_serves("afterwards");
}

/// Raises the descriptor limit of this process, because the process has the client's ends of all
/// connections.
fn raise_descriptors() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let needed = 8192.min(hard);
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard).unwrap();
    }
}

fn descriptor_limit() -> Row {
    const ULIMIT: &str = "-n 64";
    /// Asserts that the process logs the exhaustion once, pauses the accepting of connections, and
    /// recovers.
    fn assert_recovers_from_exhaustion(
        deployment: &mut RelayedEnclave,
        select_process: fn(&mut RelayedEnclave) -> &mut Process,
    ) {
        const OBSERVATION_TIME: Duration = Duration::from_secs(2);
        let clients: Vec<_> = (0..200).map(|_| deployment.connect()).collect();
        select_process(deployment).wait_for_log("cannot accept");
        let before = select_process(deployment).cpu_time();
        thread::sleep(OBSERVATION_TIME);
        let used = select_process(deployment).cpu_time() - before;
        assert!(used < OBSERVATION_TIME / 4, "it busy-waits: {used:?} of {OBSERVATION_TIME:?}");
        drop(clients);
        deployment.wait_until_serves();
        let log = select_process(deployment).remaining_log();
        assert!(log.len() < 10, "{log:#?}");
        assert!(select_process(deployment).is_running());
    }
    row("F09", "64 file descriptors: accept backs off, does not spin, recovers")
        .custom("in the relay", Accepted, || {
            let mut deployment = RelayedEnclave::with_commands(
                |enclave| enclave,
                |proxy| with_ulimit(ULIMIT, &proxy),
            );
            assert_recovers_from_exhaustion(&mut deployment, |deployment| &mut deployment.proxy);
        })
        .custom("in the enclave", Accepted, || {
            let mut deployment = RelayedEnclave::with_commands(
                |enclave| with_ulimit(ULIMIT, &enclave),
                |proxy| proxy,
            );
            assert_recovers_from_exhaustion(&mut deployment, |deployment| &mut deployment.enclave);
        })
}

fn memory_limit() -> Row {
    raise_descriptors();
    row("F10", "memory limit: sheds connections, no abort loop")
        .custom("in the relay", Accepted, || {
            const CONCURRENT_REQUESTS: usize = 1000;
            let capped = |mut proxy: Command| {
                proxy.args(["--max-connections", "128", "--threads", "1"]);
                proxy.args(["--max-connections-per-client", "0"]);
                with_ulimit("-v 49152", &proxy)
            };
            let mut deployment = RelayedEnclave::with_commands(|enclave| enclave, capped);
            deployment.assert_serves("before");
            // The enclave is stopped, so the relay must buffer all received bytes.
            deployment.enclave.signal("STOP");
            let clients: Vec<_> = (0..CONCURRENT_REQUESTS)
                .map(|_| fill_connection(&deployment, &[0; 512 * 1024]))
                .collect();
            wait_until("the relay is full", || {
                (deployment.proxy.descriptors() >= 2 * 128).then_some(())
            });
            assert!(deployment.proxy.is_running());
            deployment.enclave.signal("CONT");
            drop(clients);
            deployment.wait_until_serves();
            assert!(deployment.proxy.is_running());
        })
        .custom("in the enclave", Accepted, || {
            const CONCURRENT_REQUESTS: usize = 600;
            let mut deployment = RelayedEnclave::with_commands(
                |enclave| with_ulimit("-v 393216", &enclave),
                |proxy| proxy,
            );
            deployment.assert_serves("before");
            let body = [b' '; 512 * 1024 - 1];
            let head = format!(
                "POST / HTTP/1.1\r\nHost: h\r\n{JSON}\r\nX-Amz-Target: {GENERATE_RANDOM}\r\n\
                 Content-Length: {}\r\n\r\n",
                body.len() + 1
            );
            // The last byte of each request is not sent, so the enclave must buffer the request.
            let request = [head.as_bytes(), &body].concat();
            let clients: Vec<_> =
                (0..CONCURRENT_REQUESTS).map(|_| fill_connection(&deployment, &request)).collect();
            deployment.assert_serves("meanwhile");
            drop(clients);
            deployment.wait_until_serves();
            assert!(deployment.enclave.is_running());
        })
}

/// Opens a connection, and sends bytes until a write would block.
fn fill_connection(deployment: &RelayedEnclave, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address(&deployment.proxy)).unwrap();
    stream.set_nonblocking(true).unwrap();
    // The write would block, so the other bytes are not sent.
    drop(stream.write_all(bytes));
    stream
}
