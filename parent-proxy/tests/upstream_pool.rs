//! Several enclaves behind one relay: selection, ejection and retries.

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

use fixture::enclave::{Enclave, get, name_of};
use fixture::proxy::{Running, until, with_frequent_checks};
use fixture::{bounded, config_of, ends_without_a_byte, read_all};
use parent_proxy::{Config, Enclave as ListedEnclave, HealthChecks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use transport::{Endpoint, listen};

#[tokio::test]
async fn selects_the_enclave_with_the_fewest_connections() {
    let folder = tempfile::tempdir().unwrap();
    let enclaves = [
        Enclave::start(&folder, b'a').await,
        Enclave::start(&folder, b'b').await,
        Enclave::start(&folder, b'c').await,
    ];
    let all: Vec<&Enclave> = enclaves.iter().collect();
    let proxy = Running::start(&folder, with_frequent_checks(&all)).await;
    let mut open = Vec::new();
    let mut names = Vec::new();
    for _ in 0..9 {
        let mut client = proxy.client().await;
        names.push(bounded(name_of(&mut client)).await.unwrap());
        open.push(client);
    }
    names.sort_unstable();
    assert_eq!(names, b"aaabbbccc");
    // The enclave that lost a connection gets the next client.
    let name = bounded(name_of(&mut open[4])).await.unwrap();
    drop(open.remove(4));
    let label = format!("{{upstream=\"unix:{}/{}\"}}", folder.path().display(), char::from(name));
    let open_there = format!("connections_open{label}");
    until(async || proxy.metric(&open_there).await == Some(2)).await;
    assert_eq!(bounded(proxy.name()).await, Some(name));
}

#[tokio::test]
async fn ejects_a_not_ready_enclave_and_closes_idle_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    let proxy = Running::start(&folder, with_frequent_checks(&[&a, &b])).await;
    let mut clients = [proxy.client().await, proxy.client().await];
    let mut names = [0; 2];
    for (client, name) in clients.iter_mut().zip(&mut names) {
        *name = bounded(name_of(client)).await.unwrap();
    }
    assert_ne!(names[0], names[1]);
    let of_b = names.iter().position(|name| *name == b'b').unwrap();

    b.set_ready(false);
    let healthy = format!("upstream_healthy{{upstream=\"{}\"}}", b.endpoint);
    until(async || proxy.metric(&healthy).await == Some(0)).await;
    for _ in 0..6 {
        assert_eq!(bounded(proxy.name()).await, Some(b'a'));
    }
    assert_eq!(proxy.readiness().await.0, 200);
    assert!(bounded(ends_without_a_byte(&mut clients[of_b])).await);
    assert_eq!(bounded(name_of(&mut clients[1 - of_b])).await, Some(b'a'));

    b.set_ready(true);
    until(async || proxy.metric(&healthy).await == Some(1)).await;
    until(async || proxy.name().await == Some(b'b')).await;
    let not_ready =
        format!("health_checks_total{{upstream=\"{}\",outcome=\"not_ready\"}}", b.endpoint);
    assert!(proxy.metric(&not_ready).await.unwrap() >= 1);
    let ejections = format!("ejections_total{{upstream=\"{}\"}}", b.endpoint);
    assert_eq!(proxy.metric(&ejections).await, Some(1));
}

#[tokio::test]
async fn retries_on_another_enclave_when_one_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let gone = Endpoint::Unix(folder.path().join("gone"));
    // Without health checks, the relay tries the unreachable enclave again for each client.
    let proxy = Running::start(&folder, config_of(&[&gone, &a.endpoint])).await;
    for _ in 0..4 {
        assert_eq!(bounded(proxy.name()).await, Some(b'a'));
    }
    let retries = proxy.metric("connect_retries_total").await.unwrap();
    assert!((1..=4).contains(&retries), "{retries}");
    let failures = format!("connect_failures_total{{upstream=\"{gone}\"}}");
    assert_eq!(proxy.metric(&failures).await, Some(retries));
    assert_eq!(proxy.metric("connections_rejected_total{reason=\"no_upstream\"}").await, Some(0));

    a.stop().await;
    assert_eq!(bounded(proxy.name()).await, None);
    assert_eq!(proxy.metric("connections_rejected_total{reason=\"no_upstream\"}").await, Some(1));
}

#[tokio::test]
async fn enclave_that_closes_a_connection_is_checked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    let config = with_frequent_checks(&[&a, &b]);
    let rarely = HealthChecks { interval: Some(Duration::from_secs(3600)), ..config.health_checks };
    let proxy = Running::start(&folder, Config { health_checks: rarely, ..config }).await;
    let checks = |one: &Enclave| {
        format!("health_checks_total{{upstream=\"{}\",outcome=\"ready\"}}", one.endpoint)
    };
    until(async || proxy.metric(&checks(&a)).await == Some(1)).await;
    until(async || proxy.metric(&checks(&b)).await == Some(1)).await;

    b.set_ready(false);
    let mut clients = [proxy.client().await, proxy.client().await];
    for client in &mut clients {
        client.write_all(b"!").await.unwrap();
        bounded(read_all(client)).await;
    }
    drop(clients);
    let healthy = |one: &Enclave| format!("upstream_healthy{{upstream=\"{}\"}}", one.endpoint);
    until(async || proxy.metric(&healthy(&b)).await == Some(0)).await;
    // Enclave `a` also closed a client's connection, so the relay checks it, and finds it ready.
    until(async || proxy.metric(&checks(&a)).await == Some(2)).await;
    assert_eq!(proxy.metric(&healthy(&a)).await, Some(1));
    // A client that closes its own connection causes no check.
    assert_eq!(bounded(proxy.name()).await, Some(b'a'));
    sleep(Duration::from_millis(300)).await;
    assert_eq!(proxy.metric(&checks(&a)).await, Some(2));
}

#[tokio::test]
async fn does_not_resend_relayed_bytes_to_another_enclave() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let breaking = listen(&Endpoint::Unix(folder.path().join("breaking"))).await.unwrap();
    // The first client goes to the first upstream.
    let config = config_of(&[breaking.local_endpoint(), &a.endpoint]);
    let proxy = Running::start(&folder, config).await;
    let mut client = proxy.client().await;
    let mut upstream = bounded(breaking.accept()).await.unwrap();
    client.write_all(b"?").await.unwrap();
    assert_eq!(bounded(upstream.read_u8()).await.unwrap(), b'?');
    drop(upstream);
    assert!(bounded(ends_without_a_byte(&mut client)).await);
    // The relay does not retry the request at the other enclave, although that enclave is ready.
    let connections = format!("connections_total{{upstream=\"{}\"}}", a.endpoint);
    assert_eq!(proxy.metric(&connections).await, Some(0));
    assert_eq!(bounded(proxy.name()).await, Some(b'a'));
}

#[tokio::test]
async fn tries_every_enclave_when_none_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    a.set_ready(false);
    let proxy = Running::start(&folder, with_frequent_checks(&[&a])).await;
    let unready = (503, "not ready: no enclave is ready\n".to_owned());
    until(async || proxy.metric("ready").await == Some(0)).await;
    assert_eq!(proxy.readiness().await, unready);
    assert_eq!(bounded(proxy.name()).await, Some(b'a'));
    a.set_ready(true);
    until(async || proxy.readiness().await == (200, "ready\n".to_owned())).await;
    assert_eq!(get(&proxy.admin, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(&proxy.admin, "/other").await.0, 404);
    // An enclave that stops and starts again.
    a.stop().await;
    until(async || proxy.readiness().await == unready).await;
    let _a = Enclave::start(&folder, b'a').await;
    until(async || proxy.readiness().await.0 == 200).await;
}

#[tokio::test]
async fn tls_only_enclave_counts_as_ready_without_an_admin_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let tls = listen(&Endpoint::Unix(folder.path().join("tls"))).await.unwrap();
    let endpoint = tls.local_endpoint().clone();
    tokio::spawn(async move {
        while let Ok(mut stream) = tls.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 8];
                let _ = stream.read_exact(&mut head).await;
                // The fatal alert decode_error.
                let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 50]).await;
            });
        }
    });
    let often = |config: Config| {
        let interval = Some(Duration::from_millis(20));
        Config { health_checks: HealthChecks { interval, ..config.health_checks }, ..config }
    };
    let config = often(config_of(&[&endpoint]));
    let proxy = Running::start(&folder, config.clone()).await;
    until(async || proxy.readiness().await.0 == 200).await;

    let other = tempfile::tempdir().unwrap();
    let mut with_admin = config.upstreams.clone();
    with_admin[0].admin = Some(endpoint.clone());
    let proxy = Running::start(&other, Config { upstreams: with_admin, ..config }).await;
    let healthy = format!("upstream_healthy{{upstream=\"{endpoint}\"}}");
    until(async || proxy.metric(&healthy).await == Some(0)).await;
}

#[tokio::test]
async fn enclave_that_closes_every_connection_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let closing = listen(&Endpoint::Unix(folder.path().join("closing"))).await.unwrap();
    let endpoint = closing.local_endpoint().clone();
    // This enclave behaves like one that waits for a PROXY header. It reads all bytes before it closes the
    // connection, so the connection is not reset.
    tokio::spawn(async move {
        while let Ok(mut stream) = closing.accept().await {
            tokio::spawn(async move { stream.read(&mut [0; 4096]).await });
        }
    });
    let checks = with_frequent_checks(&[&a]).health_checks;
    let config = Config { health_checks: checks, ..config_of(&[&endpoint, &a.endpoint]) };
    let proxy = Running::start(&folder, config).await;
    let healthy = format!("upstream_healthy{{upstream=\"{endpoint}\"}}");
    until(async || proxy.metric(&healthy).await == Some(0)).await;
    for _ in 0..4 {
        assert_eq!(bounded(proxy.name()).await, Some(b'a'));
    }
}

#[tokio::test]
async fn admin_check_opens_no_connection_to_the_client_listener() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let clients = listen(&Endpoint::Unix(folder.path().join("clients"))).await.unwrap();
    let mut config = with_frequent_checks(&[&a]);
    let (endpoint, admin) = (clients.local_endpoint().clone(), Some(a.endpoint.clone()));
    config.upstreams = vec![ListedEnclave { admin, ..ListedEnclave::at(endpoint.clone()) }];
    let proxy = Running::start(&folder, config).await;
    // The enclave closes a client's connection, so the relay checks the enclave at once and then often.
    let mut client = proxy.client().await;
    drop(bounded(clients.accept()).await.unwrap());
    assert!(bounded(ends_without_a_byte(&mut client)).await);
    drop(client);
    let open = format!("connections_open{{upstream=\"{endpoint}\"}}");
    until(async || proxy.metric(&open).await == Some(0)).await;
    let ready = format!("health_checks_total{{upstream=\"{endpoint}\",outcome=\"ready\"}}");
    let asked = proxy.metric(&ready).await.unwrap();
    until(async || proxy.metric(&ready).await.unwrap() >= asked + 3).await;
    // The next connection that the listener accepts is that of a client, not of a health check.
    let mut client = proxy.client().await;
    client.write_all(b"?").await.unwrap();
    let mut next = bounded(clients.accept()).await.unwrap();
    assert_eq!(bounded(next.read_u8()).await.unwrap(), b'?');
}

#[tokio::test]
async fn ejects_an_enclave_whose_client_listener_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    let gone = Endpoint::Unix(folder.path().join("c"));
    let mut config = with_frequent_checks(&[&a]);
    let admin = Some(b.endpoint.clone());
    config.upstreams.push(ListedEnclave { admin, ..ListedEnclave::at(gone.clone()) });
    let proxy = Running::start(&folder, config).await;
    until(async || proxy.metric("ready").await == Some(1)).await;
    let healthy = format!("upstream_healthy{{upstream=\"{gone}\"}}");
    until(async || {
        assert_eq!(bounded(proxy.name()).await, Some(b'a'));
        proxy.metric(&healthy).await == Some(0)
    })
    .await;
    // The relay sends no more clients to the ejected upstream. Readiness on the admin endpoint does not
    // restore the upstream.
    let failures = format!("connect_failures_total{{upstream=\"{gone}\"}}");
    let failed = format!("health_checks_total{{upstream=\"{gone}\",outcome=\"failed\"}}");
    let (before, asked) = (proxy.metric(&failures).await, proxy.metric(&failed).await.unwrap());
    until(async || proxy.metric(&failed).await.unwrap() >= asked + 3).await;
    assert_eq!(bounded(proxy.name()).await, Some(b'a'));
    assert_eq!(proxy.metric(&failures).await, before);
    let _c = Enclave::start(&folder, b'c').await;
    until(async || proxy.name().await == Some(b'c')).await;
}
