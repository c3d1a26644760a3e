//! Upgrades of the binary while it serves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fixture;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fixture::enclave::{Enclave, get, name_of};
use fixture::upgraded_binary::{BINARY, UpgradedBinary, endpoint, signal};
use fixture::{bounded, echo, loopback};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use transport::{Endpoint, connect, listen};

async fn two_enclaves() -> (TempDir, Enclave, Enclave) {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    (folder, a, b)
}

#[tokio::test]
async fn successor_serves_new_clients_while_old_ones_drain() {
    let (_folder, a, _b) = two_enclaves().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    for socket in [Some(&socket), None] {
        let mut relay = UpgradedBinary::start(socket, &[&a], "").await;
        let mut held = connect(&relay.address).await.unwrap();
        held.write_all(b"~").await.unwrap();
        relay.wait_for_connections(1).await;

        relay.upgrade().await;

        let begun = Instant::now();
        assert_eq!(relay.name().await, Some(b'a'));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(relay.child.try_wait().unwrap().is_none(), "the old process does not drain");
        a.release();
        assert_eq!(bounded(held.read_u8()).await.unwrap(), b'a');
        assert!(bounded(relay.child.wait()).await.unwrap().success());
        assert_eq!(relay.name().await, Some(b'a'));
    }
}

#[tokio::test]
async fn reports_the_main_pid_before_the_successor_reports_ready() {
    let (_folder, a, _b) = two_enclaves().await;
    let mut relay = UpgradedBinary::start(None, &[&a], "").await;
    relay.wait_for_notification("STATUS=1 of 1").await;
    let mut held = connect(&relay.address).await.unwrap();
    held.write_all(b"~").await.unwrap();
    relay.wait_for_connections(1).await;

    let id = relay.upgrade().await;
    relay.wait_for_notification("RELOADING=1").await;
    let before = relay.wait_for_notification(&format!("MAINPID={id}")).await;
    assert!(!before.iter().any(|text| text.contains("READY=1")), "{before:?}");
    // When the successor takes over, it reports the same readiness as its predecessor.
    relay.wait_for_notification("READY=1\nSTATUS=1 of 1 enclaves ready").await;
    relay.wait_for_notification("WATCHDOG=1").await;
    relay.wait_for_notification("WATCHDOG=1").await;

    a.release();
    assert_eq!(bounded(held.read_u8()).await.unwrap(), b'a');
    assert!(bounded(relay.child.wait()).await.unwrap().success());
    signal(id, "TERM");
    let state = relay.wait_for_notification("STOPPING=1").await;
    assert!(!state.iter().any(|text| text.contains("draining")), "{state:?}");
}

#[tokio::test]
async fn failed_upgrade_keeps_serving_and_logs_the_reason() {
    let (_folder, a, _b) = two_enclaves().await;
    let mut relay = UpgradedBinary::start(None, &[&a], "").await;
    let (first, folder) = (relay.first(), relay.folder.path().to_owned());
    let program = folder.join("parent-proxy");
    let script = |text: &str| {
        fs::remove_file(&program).unwrap();
        fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    };
    let good = fs::read_to_string(folder.join("toml")).unwrap();
    let refused = format!("admin_listen = \"{}\"", endpoint(&folder, "missing/admin"));
    let lines = good.lines().filter(|line| !line.starts_with("admin_listen"));
    let with_missing_folder = lines.chain([refused.as_str()]).collect::<Vec<_>>().join("\n");
    let changes: [(&str, &dyn Fn()); 5] = [
        ("before it was ready: exit status: 2", &|| {
            fs::write(folder.join("toml"), "listen = 1\n").unwrap();
        }),
        ("before it was ready: exit status: 1", &|| {
            fs::write(folder.join("toml"), &with_missing_folder).unwrap();
        }),
        ("before it was ready: exit status: 7", &|| {
            fs::write(folder.join("toml"), &good).unwrap();
            script("exit 7");
        }),
        ("closed its standard input", &|| script("exec sleep 1000 <&-")),
        ("parent-proxy: No such file", &|| fs::remove_file(&program).unwrap()),
    ];
    for (expected, change) in changes {
        change();
        signal(first, "USR2");
        let line = relay.wait_for_log_line("upgrade failed, this process continues to serve").await;
        assert!(line.contains(expected), "{expected}: {line}");
        relay.wait_for_notification("RELOADING=1").await;
        assert_eq!(
            relay
                .wait_for_notification("READY=1")
                .await
                .iter()
                .filter(|text| text.contains("MAINPID"))
                .count(),
            0
        );
        assert_eq!(relay.name().await, Some(b'a'));
        assert_eq!(get(&relay.endpoint("admin"), "/readyz").await.0, 200);
    }

    // The successor runs the file that is now at the path, not the file that was started.
    fs::write(&program, "").unwrap();
    script(&format!("touch {}/new; exec {BINARY} \"$@\"", folder.display()));
    relay.upgrade().await;
    assert!(folder.join("new").exists());
    assert!(bounded(relay.child.wait()).await.unwrap().success());
    assert_eq!(relay.name().await, Some(b'a'));
}

/// Checks that the admin endpoint, the configuration archive, the log receiver and the egress route respond.
async fn check_all_listeners(folder: &Path, line: &str) {
    let at = |name| endpoint(folder, name);
    let (status, _) = get(&at("admin"), "/healthz").await;
    assert_eq!(status, 200);
    let mut archive = String::new();
    connect(&at("config")).await.unwrap().read_to_string(&mut archive).await.unwrap();
    assert_eq!(archive, "archive");
    connect(&at("log")).await.unwrap().write_all(line.as_bytes()).await.unwrap();
    let mut host = connect(&at("egress")).await.unwrap();
    host.write_u8(7).await.unwrap();
    assert_eq!(host.read_u8().await.unwrap(), 7);
}

/// Starts an echo server. Returns the endpoint and the setting of an egress route to it.
async fn echo_route(folder: &Path) -> (Endpoint, String) {
    let host = listen(&loopback()).await.unwrap();
    let Endpoint::Tcp(address) = host.local_endpoint().clone() else { panic!("not TCP") };
    echo(host);
    let at = endpoint(folder, "egress");
    (at.clone(), format!("egress = [\"{at}={address}\"]\n"))
}

#[tokio::test]
async fn every_listener_responds_during_three_upgrades() {
    let (egress_folder, a, b) = two_enclaves().await;
    let (_, route) = echo_route(egress_folder.path()).await;
    let mut relay = UpgradedBinary::start(None, &[&a, &b], &route).await;
    symlink(egress_folder.path().join("egress"), relay.folder.path().join("egress")).unwrap();
    let (folder, address) = (relay.folder.path().to_owned(), relay.address.clone());
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let loops = async {
        let (mut rounds, mut longest) = (0, Duration::ZERO);
        while !is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let name = name_of(&mut connect(&address).await.unwrap()).await;
            assert!(matches!(name, Some(b'a' | b'b')), "{name:?}");
            longest = longest.max(begun.elapsed());
            check_all_listeners(&folder, &format!("line {rounds}\n")).await;
            rounds += 1;
        }
        (rounds, longest)
    };
    let upgrades = async {
        for _ in 0..3 {
            relay.upgrade().await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let ((rounds, longest), ()) = bounded(async { tokio::join!(loops, upgrades) }).await;
    assert!(longest < Duration::from_secs(2), "a new client waited for {longest:?}");
    // The lines of a closed connection are read to the end.
    bounded(async {
        while fs::read_to_string(folder.join("lines")).unwrap().lines().count() < rounds {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(bounded(relay.child.wait()).await.unwrap().success());
    check_all_listeners(&folder, "last\n").await;
    signal(relay.main(), "TERM");
    bounded(async {
        while ["admin", "config", "log"].iter().any(|name| folder.join(name).exists()) {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn open_connections_continue_while_the_old_process_drains() {
    let (egress_folder, a, _b) = two_enclaves().await;
    let (route_socket, route) = echo_route(egress_folder.path()).await;
    let mut relay = UpgradedBinary::start(None, &[&a], &route).await;
    let mut held = connect(&relay.address).await.unwrap();
    held.write_all(b"~").await.unwrap();
    relay.wait_for_connections(1).await;
    let mut host = connect(&route_socket).await.unwrap();
    host.write_u8(1).await.unwrap();
    assert_eq!(bounded(host.read_u8()).await.unwrap(), 1);
    let mut log = connect(&relay.endpoint("log")).await.unwrap();
    log.write_all(b"before\n").await.unwrap();

    relay.upgrade().await;

    log.write_all(b"after\n").await.unwrap();
    let lines = relay.folder.path().join("lines");
    bounded(async {
        while fs::read_to_string(&lines).unwrap() != "before\nafter\n" {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    host.write_u8(2).await.unwrap();
    assert_eq!(bounded(host.read_u8()).await.unwrap(), 2);
    assert!(relay.child.try_wait().unwrap().is_none());
    a.release();
    assert_eq!(bounded(held.read_u8()).await.unwrap(), b'a');
    assert!(bounded(relay.child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn successor_binds_new_listeners_and_closes_removed_ones() {
    let (_folder, a, b) = two_enclaves().await;
    let mut relay = UpgradedBinary::start(None, &[&a], "").await;
    let path = relay.folder.path().join("toml");
    let text = fs::read_to_string(&path).unwrap();
    let (admin, other) = (relay.endpoint("admin"), relay.endpoint("other"));
    let changed = text
        .replace(&format!("admin_listen = \"{admin}\""), &format!("admin_listen = \"{other}\""))
        .replace(&a.endpoint.to_string(), &b.endpoint.to_string());
    let kept = changed.lines().filter(|line| !line.starts_with("log_"));
    fs::write(&path, kept.collect::<Vec<_>>().join("\n")).unwrap();

    relay.upgrade().await;

    assert_eq!(relay.name().await, Some(b'b'));
    assert_eq!(get(&other, "/readyz").await.0, 200);
    assert!(connect(&relay.endpoint("config")).await.is_ok());
    assert!(connect(&admin).await.is_err());
    assert!(connect(&relay.endpoint("log")).await.is_err());
    assert!(!relay.folder.path().join("log").exists());
    assert!(bounded(relay.child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn sighup_reloads_upstreams_in_the_successor() {
    let (_folder, a, b) = two_enclaves().await;
    let mut relay = UpgradedBinary::start(None, &[&a], "").await;
    relay.upgrade().await;
    let path = relay.folder.path().join("toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&a.endpoint.to_string(), &b.endpoint.to_string())).unwrap();
    signal(relay.main(), "HUP");
    relay.wait_for_log_line("upstreams reloaded").await;
    assert_eq!(relay.name().await, Some(b'b'));
}

/// Starts a relay, and configures an enclave that accepts connections but never responds, so that a successor
/// waits for it.
async fn with_silent_enclave() -> (TempDir, Enclave, tokio::net::UnixListener, UpgradedBinary) {
    let (folder, a, _b) = two_enclaves().await;
    let relay = UpgradedBinary::start(None, &[&a], "").await;
    let silent = folder.path().join("silent");
    let listener = tokio::net::UnixListener::bind(&silent).unwrap();
    let path = relay.folder.path().join("toml");
    let text = fs::read_to_string(&path).unwrap();
    let listed = format!("upstream = [\"{}\", ", Endpoint::Unix(silent));
    fs::write(&path, text.replace("upstream = [", &listed)).unwrap();
    (folder, a, listener, relay)
}

#[tokio::test]
async fn rejects_a_second_upgrade_while_upgrading_or_draining() {
    let (_folder, _a, silent, mut relay) = with_silent_enclave().await;
    let first = relay.first();
    let mut held = connect(&relay.address).await.unwrap();
    held.write_all(b"~").await.unwrap();
    relay.wait_for_connections(1).await;
    signal(first, "USR2");
    // The successor is not ready until its health check ends.
    bounded(silent.accept()).await.unwrap();
    signal(first, "USR2");
    relay.wait_for_log_line("rejected: an upgrade is in progress").await;
    let line = relay.wait_for_log_line("the successor serves").await;
    relay.successors.push(line.trim_end().rsplit_once('=').unwrap().1.parse().unwrap());
    signal(first, "USR2");
    relay.wait_for_log_line("rejected: this process drains").await;
    // The process drains already. One signal changes nothing. A second signal ends the process.
    signal(first, "TERM");
    relay.wait_for_log_line("a second signal terminates immediately").await;
    assert!(relay.child.try_wait().unwrap().is_none());
    signal(first, "TERM");
    assert_eq!(bounded(relay.child.wait()).await.unwrap().code(), Some(143));
    assert_eq!(relay.name().await, Some(b'a'));
}

#[tokio::test]
async fn sigterm_during_an_upgrade_ends_both_processes() {
    let (_folder, _a, silent, mut relay) = with_silent_enclave().await;
    signal(relay.first(), "USR2");
    let asked = bounded(silent.accept()).await.unwrap();
    signal(relay.first(), "TERM");
    assert!(bounded(relay.child.wait()).await.unwrap().success());
    // No process holds the log's pipe or the listener any more.
    bounded(relay.stderr.read_to_end(&mut Vec::new())).await.unwrap();
    bounded(async { while connect(&relay.address).await.is_ok() {} }).await;
    drop(asked);
}

#[tokio::test]
async fn start_fails_if_the_predecessor_is_not_the_parent() {
    let mut command = Command::new(BINARY);
    command.args(["--listen", "127.0.0.1:0", "--upstream", "vsock:16:5000"]);
    command.env("PARENT_PROXY_PREDECESSOR", "1").stdin(Stdio::null());
    let output = bounded(command.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("PARENT_PROXY_PREDECESSOR is 1") && log.contains("unset it"), "{log}");
}
