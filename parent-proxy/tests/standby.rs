//! Standby upstreams, direct listeners, and upstreams whose certificate clients reject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod fixture;

use std::time::Duration;

use fixture::enclave::{Enclave, name_of};
use fixture::proxy::{Running, until, with_frequent_checks};
use fixture::running_binary::RunningBinary;
use fixture::{bounded, ends_without_a_byte};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport::{Endpoint, ProxyHeader, connect, listen};

/// Health checks once a second.
const OFTEN: &str = "health_interval = 1\n";
/// No health checks, so that the test's upstream gets only connections of clients.
const NEVER: &str = "health_interval = 0\n";

/// Starts two enclaves with admin endpoints. Returns the enclaves and their upstream settings.
async fn two_enclaves(folder: &TempDir) -> ([Enclave; 2], [String; 2]) {
    let enclaves = [Enclave::start(folder, b'a').await, Enclave::start(folder, b'b').await];
    let listed = enclaves.each_ref().map(|one| format!("{0},admin={0}", one.endpoint));
    (enclaves, listed)
}

fn direct_option(folder: &TempDir, name: &str) -> (Endpoint, String) {
    let endpoint = Endpoint::Unix(folder.path().join(name));
    let option = format!(",direct={endpoint}");
    (endpoint, option)
}

async fn name_at(endpoint: &Endpoint) -> Option<u8> {
    bounded(name_of(&mut connect(endpoint).await.unwrap())).await
}

#[tokio::test]
async fn standby_upstream_is_checked_and_gets_no_clients() {
    let folder = tempfile::tempdir().unwrap();
    let ([a, b], [of_a, of_b]) = two_enclaves(&folder).await;
    let upstreams = [of_a, format!("{of_b},standby")];
    let proxy = RunningBinary::start(&folder, &upstreams, OFTEN).await;
    for _ in 0..6 {
        assert_eq!(proxy.name().await, Some(b'a'));
    }
    let of = |metric: &str| format!("{metric}{{upstream=\"{}\"}}", b.endpoint);
    assert_eq!(proxy.metric(&of("upstream_standby")).await, Some(1.0));
    assert_eq!(proxy.metric(&of("connections_total")).await, Some(0.0));
    let checks = format!("health_checks_total{{upstream=\"{}\",outcome=\"ready\"}}", b.endpoint);
    until(async || proxy.metric(&checks).await >= Some(1.0)).await;
    // A standby upstream gets no clients, even if no other upstream is available.
    a.stop().await;
    let unready = (503, "not ready: no enclave is ready\n".to_owned());
    until(async || proxy.readiness().await == unready).await;
    assert_eq!(proxy.name().await, None);
    assert_eq!(proxy.metric(&of("connections_total")).await, Some(0.0));
}

#[tokio::test]
async fn relay_with_only_standby_upstreams_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (_enclaves, [of_a, of_b]) = two_enclaves(&folder).await;
    let standby = [&of_a, &of_b].map(|listed| format!("{listed},standby"));
    let mut proxy = RunningBinary::start(&folder, &standby, OFTEN).await;
    let unready = (503, "not ready: every upstream is standby\n".to_owned());
    assert_eq!(proxy.readiness().await, unready);
    assert_eq!(proxy.name().await, None);
    proxy.list(&[of_a, standby[1].clone()]).await;
    until(async || proxy.readiness().await.0 == 200).await;
    assert_eq!(proxy.name().await, Some(b'a'));
}

#[tokio::test]
async fn sighup_makes_an_upstream_standby_and_keeps_its_counts() {
    let folder = tempfile::tempdir().unwrap();
    let ([a, _b], [of_a, of_b]) = two_enclaves(&folder).await;
    let mut proxy = RunningBinary::start(&folder, std::slice::from_ref(&of_a), OFTEN).await;
    let mut client = proxy.client().await;
    assert_eq!(bounded(name_of(&mut client)).await, Some(b'a'));
    let of = |metric: &str| format!("{metric}{{upstream=\"{}\"}}", a.endpoint);
    assert_eq!(proxy.metric(&of("connections_open")).await, Some(1.0));

    proxy.list(&[format!("{of_a},standby"), of_b.clone()]).await;
    assert_eq!(proxy.metric(&of("connections_total")).await, Some(1.0));
    assert_eq!(proxy.metric(&of("upstream_standby")).await, Some(1.0));
    // Connections to the standby upstream end once they are idle.
    assert!(bounded(ends_without_a_byte(&mut client)).await);
    until(async || proxy.metric(&of("connections_open")).await == Some(0.0)).await;
    assert_eq!(proxy.name().await, Some(b'b'));

    proxy.list(&[of_a, format!("{of_b},standby")]).await;
    assert_eq!(proxy.name().await, Some(b'a'));
    assert_eq!(proxy.metric(&of("connections_total")).await, Some(2.0));
    assert_eq!(proxy.metric(&of("upstream_standby")).await, Some(0.0));
}

#[tokio::test]
async fn connection_stays_when_its_upstream_is_active_again() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = listen(&Endpoint::Unix(folder.path().join("a"))).await.unwrap();
    let of_a = upstream.local_endpoint().to_string();
    let mut proxy = RunningBinary::start(&folder, std::slice::from_ref(&of_a), NEVER).await;
    let mut client = proxy.client().await;
    let mut server = bounded(upstream.accept()).await.unwrap();
    // This request is in flight, so the connection does not end when its upstream becomes standby.
    client.write_all(b"?").await.unwrap();
    assert_eq!(bounded(server.read_u8()).await.unwrap(), b'?');
    proxy.list(&[format!("{of_a},standby")]).await;
    proxy.list(&[of_a]).await;
    server.write_all(b"!").await.unwrap();
    assert_eq!(bounded(client.read_u8()).await.unwrap(), b'!');
    // If the upstream were still standby, the connection would end after a second without a byte.
    assert!(timeout(Duration::from_secs(3), client.read_u8()).await.is_err());
}

#[tokio::test]
async fn direct_listener_reaches_standby_and_ejected_enclaves() {
    let folder = tempfile::tempdir().unwrap();
    let ([_a, b], [of_a, of_b]) = two_enclaves(&folder).await;
    let ((to_a, direct_a), (to_b, direct_b)) =
        (direct_option(&folder, "to-a"), direct_option(&folder, "to-b"));
    let upstreams = [format!("{of_a}{direct_a}"), format!("{of_b},standby{direct_b}")];
    let mut proxy = RunningBinary::start(&folder, &upstreams, OFTEN).await;
    assert_eq!(
        [proxy.read_announced_endpoint().await, proxy.read_announced_endpoint().await],
        [to_a.clone(), to_b.clone()]
    );
    for _ in 0..3 {
        assert_eq!((name_at(&to_a).await, name_at(&to_b).await), (Some(b'a'), Some(b'b')));
    }
    b.set_ready(false);
    let healthy = format!("upstream_healthy{{upstream=\"{}\"}}", b.endpoint);
    until(async || proxy.metric(&healthy).await == Some(0.0)).await;
    assert_eq!(name_at(&to_b).await, Some(b'b'));
    // Connections of the direct listener are counted separately from those of clients.
    let of = |metric: &str| format!("{metric}{{upstream=\"{}\"}}", b.endpoint);
    assert_eq!(proxy.metric(&of("direct_connections_total")).await, Some(4.0));
    assert_eq!(proxy.metric(&of("connections_total")).await, Some(0.0));
}

#[tokio::test]
async fn sighup_opens_closes_and_redirects_direct_listeners() {
    let folder = tempfile::tempdir().unwrap();
    let (_enclaves, [of_a, of_b]) = two_enclaves(&folder).await;
    let ((one, direct_one), (two, direct_two)) =
        (direct_option(&folder, "one"), direct_option(&folder, "two"));
    let mut proxy = RunningBinary::start(&folder, &[of_a.clone(), of_b.clone()], OFTEN).await;
    proxy.list(&[format!("{of_a}{direct_one}"), of_b.clone()]).await;
    let mut client = connect(&one).await.unwrap();
    assert_eq!(bounded(name_of(&mut client)).await, Some(b'a'));

    // A direct listener that stays at the same enclave keeps its connections.
    proxy.list(&[format!("{of_a}{direct_one},standby"), format!("{of_b}{direct_two}")]).await;
    assert_eq!(bounded(name_of(&mut client)).await, Some(b'a'));
    assert_eq!(name_at(&two).await, Some(b'b'));

    proxy.list(&[format!("{of_a}{direct_two}"), format!("{of_b}{direct_one}")]).await;
    assert_eq!((name_at(&one).await, name_at(&two).await), (Some(b'b'), Some(b'a')));
    assert!(bounded(ends_without_a_byte(&mut client)).await);

    // A listener that cannot be opened does not affect the others.
    let missing = format!("{of_a},direct=unix:{}/none/a", folder.path().display());
    proxy.list(&[missing, of_b.clone()]).await;
    assert!(connect(&one).await.is_err() && connect(&two).await.is_err());
    assert!(proxy.name().await.is_some());
    proxy.list(&[format!("{of_a}{direct_one}"), of_b]).await;
    assert_eq!(name_at(&one).await, Some(b'a'));
}

#[tokio::test]
async fn direct_listener_sends_a_proxy_header_and_drains_at_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = listen(&Endpoint::Unix(folder.path().join("a"))).await.unwrap();
    let (to_a, option) = direct_option(&folder, "to-a");
    let listed = [format!("{}{option},standby", upstream.local_endpoint())];
    let rest = format!("{NEVER}proxy_protocol = true\n");
    let mut proxy = RunningBinary::start(&folder, &listed, &rest).await;
    proxy.read_announced_endpoint().await;
    let mut client = connect(&to_a).await.unwrap();
    client.write_all(b"?").await.unwrap();
    let mut server = bounded(upstream.accept()).await.unwrap();
    let header = bounded(ProxyHeader::read(&mut server)).await.unwrap();
    assert!(header.connection_id.is_some());
    assert_eq!(bounded(server.read_u8()).await.unwrap(), b'?');
    proxy.signal("TERM");
    // The relay of clients and the relay of the direct listener both drain.
    for _ in 0..2 {
        proxy.wait_for_log_line("draining").await;
    }
    assert!(connect(&to_a).await.is_err());
    server.write_all(b"!").await.unwrap();
    assert_eq!(bounded(client.read_u8()).await.unwrap(), b'!');
    drop((client, server));
    proxy.exits_with_success().await;
}

#[tokio::test]
async fn direct_listener_has_its_own_connection_limit() {
    const MAX: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let ([_a, b], [of_a, of_b]) = two_enclaves(&folder).await;
    let (to_b, option) = direct_option(&folder, "to-b");
    let rest = format!("{OFTEN}max_connections = 1\n");
    let mut proxy =
        RunningBinary::start(&folder, &[of_a, format!("{of_b}{option},standby")], &rest).await;
    proxy.read_announced_endpoint().await;
    let mut clients = Vec::new();
    for _ in 0..MAX + 8 {
        clients.push(connect(&to_b).await.unwrap());
    }
    for client in &mut clients[..MAX] {
        // A full relay may have evicted this client for a later one already.
        let _ = client.write_all(b"?").await;
    }
    let of = |metric: &str| format!("{metric}{{upstream=\"{}\"}}", b.endpoint);
    until(async || proxy.metric(&of("direct_connections_open")).await == Some(64.0)).await;
    // Connections of direct listeners do not count towards the limit of client connections.
    assert_eq!(proxy.name().await, Some(b'a'));
    assert_eq!(proxy.metric(&of("direct_connections_open")).await, Some(64.0));
    assert_eq!(proxy.metric(&of("connections_open")).await, Some(0.0));
}

#[tokio::test]
async fn upstream_that_clients_reject_is_logged_and_gets_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let ([a, b], listed) = two_enclaves(&folder).await;
    a.set_handshakes(100, 0);
    b.set_handshakes(100, 0);
    let mut proxy = RunningBinary::start(&folder, &listed, OFTEN).await;
    let of = |metric: &str| format!("{metric}{{upstream=\"{}\"}}", b.endpoint);
    let ratio = "upstream_handshake_rejections_ratio";
    // The test waits until the relay has read the counters, and then increases them.
    for enclave in [&a, &b] {
        let ratio = format!("{ratio}{{upstream=\"{}\"}}", enclave.endpoint);
        until(async || proxy.metric(&ratio).await == Some(0.0)).await;
    }
    assert_eq!(proxy.metric(&of("upstream_weight")).await, Some(1.0));
    a.set_handshakes(200, 0);
    b.set_handshakes(100, 50);
    let line = proxy.wait_for_log_line("clients reject the TLS certificate").await;
    assert!(line.contains("WARN") && line.contains(&b.endpoint.to_string()), "{line}");
    assert!(line.contains("rejected_share=1.0 siblings_share=0.0 weight=0.1"), "{line}");
    assert_eq!(proxy.metric(&of(ratio)).await, Some(1.0));
    assert_eq!(proxy.metric(&of("upstream_weight")).await, Some(0.1));
    assert_eq!(proxy.metric(&of("upstream_handshakes_rejected")).await, Some(1.0));
    // The upstream is not ejected.
    assert_eq!(proxy.metric(&of("upstream_healthy")).await, Some(1.0));
    let mut names = Vec::new();
    for _ in 0..30 {
        names.extend(proxy.name().await);
    }
    let of_b = names.iter().filter(|name| **name == b'b').count();
    assert!((1..=5).contains(&of_b), "{of_b} of 30");

    // Clients now trust the new certificate authority.
    b.set_handshakes(5000, 50);
    a.set_handshakes(5200, 0);
    let line = proxy.wait_for_log_line("TLS certificate of the upstream").await;
    assert!(line.contains("INFO") && line.contains("no longer reject"), "{line}");
    assert_eq!(proxy.metric(&of("upstream_weight")).await, Some(1.0));
    assert_eq!(proxy.metric(&of("upstream_handshakes_rejected")).await, Some(0.0));
}

#[tokio::test]
async fn enclave_whose_clients_leave_at_once_gets_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    let proxy = Running::start(&folder, with_frequent_checks(&[&a, &b])).await;
    let open_at_b = format!("connections_open{{upstream=\"{}\"}}", b.endpoint);
    let (mut kept, mut left) = (Vec::new(), 0);
    for _ in 0..40 {
        let mut client = proxy.client().await;
        match bounded(name_of(&mut client)).await.unwrap() {
            b'a' => kept.push(client),
            _ => {
                left += 1;
                drop(client);
                until(async || proxy.metric(&open_at_b).await == Some(0)).await;
            }
        }
    }
    assert!((15..=21).contains(&left), "{left} of 40");
}
