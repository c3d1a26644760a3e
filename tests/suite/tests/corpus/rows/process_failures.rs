//! Rows F: enclaves or relays that are absent, killed or terminated.

use std::time::{Duration, Instant};

use enclave::http::PeerPolicy;

use crate::binaries::{Process, wait_until};
use crate::harness::relayed_enclave::{
    ClientConnection, RelayedEnclave, address, enclave_command, relay_command, relay_command_to,
    wait_until_serves,
};
use crate::harness::requests::{PLAINTEXT_RESPONSE, plain};
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome::{Accepted, Rejected};

/// Time limit for a failure. TCP's own timeout takes minutes, so a case that depends on that
/// timeout fails. The limit is long enough for a slow machine.
const MAX_CLOSE_TIME: Duration = Duration::from_secs(20);
/// The number of bytes of [`plain`] that are sent before the fault. The other bytes are sent after
/// the fault.
const SENT_BEFORE_FAULT: usize = 100;

pub(crate) fn rows() -> Vec<Row> {
    vec![absent(), enclave_killed(), proxy_killed(), terminated(), rejected_peer()]
}

fn absent() -> Row {
    let row = row("F11", "enclave down, wrong CID: fails fast and recovers");
    let row = row.custom("enclave not started yet", Rejected, || {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("enclave");
        let mut proxy = Process::start(relay_command("127.0.0.1:0", &socket), 1);
        for _ in 0..3 {
            assert!(ClientConnection::open(address(&proxy)).wait_until_closed() < MAX_CLOSE_TIME);
        }
        let _enclave = Process::start(enclave_command(&socket), 1);
        wait_until_serves(address(&proxy));
        assert!(proxy.is_running());
    });
    // No virtual machine on this host has this CID, and it is not the CID of the host.
    row.custom("CID without an enclave", Rejected, || {
        let mut proxy = Process::start(relay_command_to("127.0.0.1:0", "vsock:4242424242:5000"), 1);
        assert!(ClientConnection::open(address(&proxy)).wait_until_closed() < MAX_CLOSE_TIME);
        assert!(proxy.is_running());
        // The log line contains the endpoint.
        proxy.wait_for_log("vsock:4242424242:5000");
    })
}

fn enclave_killed() -> Row {
    /// Kills the enclave during `connection`. The client's connection must end at once, and the
    /// next enclave must serve the next client.
    fn kill_during(connection: impl FnOnce(&mut ClientConnection)) {
        let mut deployment = RelayedEnclave::start();
        let mut client = deployment.connect();
        connection(&mut client);
        deployment.enclave.kill();
        let start = Instant::now();
        while let Some(response) = client.next() {
            // The client has received a response completely or not at all.
            response.assert_is(&PLAINTEXT_RESPONSE, "before the end");
        }
        assert!(start.elapsed() < MAX_CLOSE_TIME);
        assert!(deployment.connect().wait_until_closed() < MAX_CLOSE_TIME);
        deployment.restart_enclave();
        deployment.wait_until_serves();
        assert!(deployment.proxy.is_running());
    }
    row("F12", "enclave killed during a request")
        .custom("during the request", Rejected, || {
            kill_during(|client| client.send(&plain()[..SENT_BEFORE_FAULT]))
        })
        .custom("during the response", Rejected, || {
            kill_during(|client| {
                client.send(&plain().repeat(100));
                client.receive().assert_is(&PLAINTEXT_RESPONSE, "the first response");
            });
        })
        .custom("between two requests", Rejected, || {
            kill_during(|client| {
                client.assert_response(&plain(), &PLAINTEXT_RESPONSE, "the first response")
            });
        })
}

fn proxy_killed() -> Row {
    row("F13", "relay killed").custom("during the request", Rejected, || {
        let mut deployment = without_health_checks();
        deployment.assert_serves("before");
        let before = deployment.enclave.stable_descriptors();
        let mut clients: Vec<_> = (0..20).map(|_| deployment.connect()).collect();
        for client in &mut clients {
            client.send(&plain()[..SENT_BEFORE_FAULT]);
        }
        wait_until("the enclave has the connections", || {
            (deployment.enclave.descriptors() >= before + clients.len()).then_some(())
        });
        deployment.proxy.kill();
        for client in &mut clients {
            assert!(client.wait_until_closed() < MAX_CLOSE_TIME);
        }
        wait_until("the enclave has closed them", || {
            (deployment.enclave.descriptors() <= before).then_some(())
        });
        // The new relay has the same address and the same enclave.
        deployment.restart_proxy();
        deployment.assert_serves("afterwards");
        assert!(deployment.enclave.is_running());
    })
}

/// A function that selects the process to terminate.
type SelectProcess = fn(&mut RelayedEnclave) -> &mut Process;

fn terminated() -> Row {
    let row = row("F14", "SIGTERM: drains, exits 0; a second one is immediate");
    let both: [(&str, SelectProcess); 2] = [
        ("relay", |deployment| &mut deployment.proxy),
        ("enclave", |deployment| &mut deployment.enclave),
    ];
    both.into_iter().fold(row, |row, (name, select_process)| {
        row.custom(format!("the {name} drains"), Accepted, move || {
            let mut deployment = without_health_checks();
            let mut client = start_request(&deployment);
            let mut idle = deployment.connect();
            idle.assert_response(&plain(), &PLAINTEXT_RESPONSE, "before");
            select_process(&mut deployment).signal("TERM");
            // The close of the idle connection shows that the process drains.
            idle.wait_until_closed();
            client.send(&plain()[SENT_BEFORE_FAULT..]);
            client.receive().assert_is(&PLAINTEXT_RESPONSE, "while draining");
            drop(client);
            let status = select_process(&mut deployment).wait_for_exit();
            assert_eq!(status.code(), Some(0), "{status}");
        })
        .custom(format!("the {name} exits at the second signal"), Rejected, move || {
            let mut deployment = without_health_checks();
            let mut client = start_request(&deployment);
            let mut idle = deployment.connect();
            idle.assert_response(&plain(), &PLAINTEXT_RESPONSE, "before");
            select_process(&mut deployment).signal("TERM");
            idle.wait_until_closed();
            assert!(select_process(&mut deployment).is_running());
            let start = Instant::now();
            select_process(&mut deployment).signal("TERM");
            let status = select_process(&mut deployment).wait_for_exit();
            assert_eq!(status.code(), Some(143), "{status}");
            // Without the drain, the enclave would wait 10 s for the rest of the request, and the
            // relay would wait longer.
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
            client.wait_until_closed();
        })
    })
}

/// A test cannot connect from another vsock peer. This row therefore calls the function that checks
/// the peer of each connection before the first byte is read.
fn rejected_peer() -> Row {
    const PARENT_CID: u32 = 3;
    let row = row("F15", "vsock peer other than the configured parent CID: rejected");
    row.custom("every other CID", Rejected, || {
        for proxy_protocol in [false, true] {
            let peer_policy = PeerPolicy { parent_cid: Some(PARENT_CID), proxy_protocol };
            // The list contains the CIDs of the hypervisor, the local loopback, the host, the
            // neighbour of the parent, and enclaves. The last CID is the wildcard.
            let others = [0, 1, 2, 4, 16, 17, u32::MAX - 1, u32::MAX];
            assert!(others.into_iter().all(|cid| !peer_policy.accepts_cid(cid)));
            assert!(peer_policy.accepts_cid(PARENT_CID));
        }
    })
}

/// Starts a relay without health checks, so that all connections of the enclave are the counted
/// connections of clients.
fn without_health_checks() -> RelayedEnclave {
    RelayedEnclave::with_relay_flags(&["--health-interval", "0"])
}

/// Sends the first part of a request, and waits until the enclave has accepted the connection.
fn start_request(deployment: &RelayedEnclave) -> ClientConnection {
    let before = deployment.enclave.descriptors();
    let mut connection = deployment.connect();
    connection.send(&plain()[..SENT_BEFORE_FAULT]);
    wait_until("the enclave has the connection", || {
        (deployment.enclave.descriptors() > before).then_some(())
    });
    connection
}
