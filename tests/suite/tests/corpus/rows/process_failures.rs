//! F: enclave or relay are not there, end, or are ended.

use std::time::{Duration, Instant};

use enclave::http::PeerPolicy;

use crate::binaries::{Process, until};
use crate::harness::relayed_enclave::{
    Relayed, Talk, address, enclave_on, proxy_before, proxy_on, until_serves,
};
use crate::harness::requests::{PLAIN, plain};
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome::{Accepted, Refused};

/// Far below the minutes that TCP itself would take, and above what a slow machine does.
const SOON: Duration = Duration::from_secs(20);
/// Of [`plain`], sent before something happens; the rest comes after it.
const BEFORE: usize = 100;

pub(crate) fn rows() -> Vec<Row> {
    vec![absent(), enclave_killed(), proxy_killed(), terminated(), stranger()]
}

fn absent() -> Row {
    let row = row("F11", "enclave not up, wrong CID: fails fast, recovers by itself");
    let row = row.scene("not up yet", Refused, || {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("enclave");
        let mut proxy = Process::start(proxy_on("127.0.0.1:0", &socket), 1);
        for _ in 0..3 {
            assert!(Talk::with(address(&proxy)).ended() < SOON);
        }
        let _enclave = Process::start(enclave_on(&socket), 1);
        until_serves(address(&proxy));
        assert!(proxy.is_running());
    });
    // Nobody has this CID: it is of no guest, and of neither end of this machine's own.
    row.scene("another CID than any enclave's", Refused, || {
        let mut proxy = Process::start(proxy_before("127.0.0.1:0", "vsock:4242424242:5000"), 1);
        assert!(Talk::with(address(&proxy)).ended() < SOON);
        assert!(proxy.is_running());
        // It says which, for whoever has to find out.
        proxy.logged("vsock:4242424242:5000");
    })
}

fn enclave_killed() -> Row {
    /// The client is told at once, by the end, and the next one is served by the next enclave.
    fn kill_during(talk: impl FnOnce(&mut Talk)) {
        let mut relayed = Relayed::start();
        let mut client = relayed.connect();
        talk(&mut client);
        relayed.enclave.kill();
        let start = Instant::now();
        while let Some(answer) = client.next() {
            // What was on its way is whole, or is not taken for an answer.
            answer.assert_is(&PLAIN, "before the end");
        }
        assert!(start.elapsed() < SOON);
        assert!(relayed.connect().ended() < SOON);
        relayed.restart_enclave();
        relayed.until_serves();
        assert!(relayed.proxy.is_running());
    }
    row("F12", "enclave killed in mid-request")
        .scene("in mid-request", Refused, || kill_during(|client| client.send(&plain()[..BEFORE])))
        .scene("in mid-response", Refused, || {
            kill_during(|client| {
                client.send(&plain().repeat(100));
                client.receive().assert_is(&PLAIN, "the first");
            });
        })
        .scene("between two requests", Refused, || {
            kill_during(|client| client.assert_answers(&plain(), &PLAIN, "the first"));
        })
}

fn proxy_killed() -> Row {
    row("F13", "proxy killed").scene("in mid-request", Refused, || {
        let mut relayed = unchecked();
        relayed.assert_serves("before");
        let before = relayed.enclave.settled_descriptors();
        let mut clients: Vec<_> = (0..20).map(|_| relayed.connect()).collect();
        for client in &mut clients {
            client.send(&plain()[..BEFORE]);
        }
        until("they are with the enclave", || {
            (relayed.enclave.descriptors() >= before + clients.len()).then_some(())
        });
        relayed.proxy.kill();
        for client in &mut clients {
            assert!(client.ended() < SOON);
        }
        until("the enclave has closed them", || {
            (relayed.enclave.descriptors() <= before).then_some(())
        });
        // On the same address, to the same enclave.
        relayed.restart_proxy();
        relayed.assert_serves("afterwards");
        assert!(relayed.enclave.is_running());
    })
}

/// Which of the two is asked to end.
type Which = fn(&mut Relayed) -> &mut Process;

fn terminated() -> Row {
    let row = row("F14", "SIGTERM: drains, exits 0; a second one is immediate");
    let both: [(&str, Which); 2] =
        [("relay", |relayed| &mut relayed.proxy), ("enclave", |relayed| &mut relayed.enclave)];
    both.into_iter().fold(row, |row, (name, which)| {
        row.scene(format!("the {name} drains"), Accepted, move || {
            let mut relayed = unchecked();
            let mut asking = begun(&relayed);
            let mut resting = relayed.connect();
            resting.assert_answers(&plain(), &PLAIN, "before");
            which(&mut relayed).signal("TERM");
            // Who is at rest is let go, which shows that it drains.
            resting.ended();
            asking.send(&plain()[BEFORE..]);
            asking.receive().assert_is(&PLAIN, "in the middle of it");
            drop(asking);
            let status = which(&mut relayed).ended();
            assert_eq!(status.code(), Some(0), "{status}");
        })
        .scene(format!("the {name} ends at the second one"), Refused, move || {
            let mut relayed = unchecked();
            let mut asking = begun(&relayed);
            let mut resting = relayed.connect();
            resting.assert_answers(&plain(), &PLAIN, "before");
            which(&mut relayed).signal("TERM");
            resting.ended();
            assert!(which(&mut relayed).is_running());
            let start = Instant::now();
            which(&mut relayed).signal("TERM");
            let status = which(&mut relayed).ended();
            assert_eq!(status.code(), Some(143), "{status}");
            // The enclave would wait ten seconds for the request, the relay longer.
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
            asking.ended();
        })
    })
}

/// No test has a vsock whose other end is somebody else: what is asked is what is asked of each
/// connection, before its first byte is read.
fn stranger() -> Row {
    const PARENT: u32 = 3;
    let row = row("F15", "vsock peer other than the configured parent CID: refused");
    row.scene("whoever it is", Refused, || {
        for proxy_protocol in [false, true] {
            let peer_policy = PeerPolicy { parent_cid: Some(PARENT), proxy_protocol };
            // The hypervisor, this machine itself, its host, the parent's neighbours, enclaves, any.
            let others = [0, 1, 2, 4, 16, 17, u32::MAX - 1, u32::MAX];
            assert!(others.into_iter().all(|cid| !peer_policy.accepts_cid(cid)));
            assert!(peer_policy.accepts_cid(PARENT));
        }
    })
}

/// Whose enclave has no connections but its clients', which are counted.
fn unchecked() -> Relayed {
    Relayed::with(&["--health-interval", "0"])
}

/// A client in the middle of its request, of which the enclave knows.
fn begun(relayed: &Relayed) -> Talk {
    let before = relayed.enclave.descriptors();
    let mut talk = relayed.connect();
    talk.send(&plain()[..BEFORE]);
    until("the enclave has it", || (relayed.enclave.descriptors() > before).then_some(()));
    talk
}
