//! The services besides the relay: readiness, metrics, PROXY headers and egress routes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod fixture;

use fixture::enclave::{Enclave, get};
use fixture::proxy::{Running, until};
use fixture::{bounded, config_of, echo, loopback, read_all};
use parent_proxy::{Config, DrainReport, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::{Endpoint, ProxyHeader, connect, listen};

#[tokio::test]
async fn draining_relay_is_not_ready_and_completes_a_response() {
    let folder = tempfile::tempdir().unwrap();
    let slow = listen(&Endpoint::Unix(folder.path().join("slow"))).await.unwrap();
    let proxy = Running::start(&folder, config_of(&[slow.local_endpoint()])).await;
    let mut client = proxy.client().await;
    let mut upstream = bounded(slow.accept()).await.unwrap();
    client.write_all(b"?").await.unwrap();
    assert_eq!(bounded(upstream.read_u8()).await.unwrap(), b'?');
    assert_eq!(proxy.readiness().await.0, 200);
    let Running { admin, stop, task, .. } = proxy;
    stop.send(()).unwrap();
    until(async || get(&admin, "/readyz").await == (503, "not ready: draining\n".to_owned())).await;
    upstream.write_all(b"!").await.unwrap();
    assert_eq!(bounded(client.read_u8()).await.unwrap(), b'!');
    drop((client, upstream));
    assert_eq!(bounded(task).await.unwrap(), DrainReport { aborted: 0 });
}

#[tokio::test]
async fn metrics_include_those_of_all_enclaves() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    let gone = Endpoint::Unix(folder.path().join("gone"));
    let config = config_of(&[&a.endpoint, &gone, &b.endpoint]);
    let proxy = Running::start(&folder, config).await;
    bounded(proxy.name()).await.unwrap();
    let (_, text) = get(&proxy.admin, "/metrics").await;
    let shown = format!(
        "# TYPE name info\nname_info{{upstream=\"{}\",is=\"a\"}} 1\n\
         name_info{{upstream=\"{}\",is=\"b\"}} 1\n# EOF\n",
        a.endpoint, b.endpoint
    );
    assert!(text.ends_with(&shown), "{text}");
    assert!(text.contains("\nattested_random_proxy_log_lines_dropped_total 7\n"), "{text}");
    assert!(text.contains("attested_random_proxy_build_info{version=\""), "{text}");
    let failures = format!("scrape_failures_total{{upstream=\"{gone}\"}}");
    assert!(proxy.metric(&failures).await >= Some(1));
    for (direction, bytes) in [("to_enclave", 1), ("to_client", 1)] {
        let name = |enclave: &Enclave| {
            format!("bytes_total{{upstream=\"{}\",direction=\"{direction}\"}}", enclave.endpoint)
        };
        let of_both = async || {
            proxy.metric(&name(&a)).await.unwrap() + proxy.metric(&name(&b)).await.unwrap()
        };
        assert_eq!(of_both().await, bytes);
    }
}

#[tokio::test]
async fn sends_the_proxy_header_before_client_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let enclave = listen(&Endpoint::Unix(folder.path().join("enclave"))).await.unwrap();
    let config = Config { proxy_protocol: true, ..config_of(&[enclave.local_endpoint()]) };
    let proxy = Running::start(&folder, config).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.client().await;
        let mut upstream = bounded(enclave.accept()).await.unwrap();
        let header = bounded(ProxyHeader::read(&mut upstream)).await.unwrap();
        assert_eq!(header.client_addr, client.local_address());
        ids.push(header.connection_id.unwrap().to_string());
        client.write_all(b"?").await.unwrap();
        assert_eq!(bounded(upstream.read_u8()).await.unwrap(), b'?');
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn egress_route_leads_to_its_host_only() {
    let folder = tempfile::tempdir().unwrap();
    let host = listen(&loopback()).await.unwrap();
    let route = Route {
        listen: Endpoint::Unix(folder.path().join("out")),
        host: host.local_endpoint().to_string().replace("127.0.0.1", "localhost").parse().unwrap(),
    };
    let name = format!("{{route=\"{route}\"}}");
    let route_socket = route.listen.clone();
    let config = Config { egress: vec![route], ..config_of(&[&loopback()]) };
    let proxy = Running::start(&folder, config).await;
    let _host = echo(host);
    let mut enclave = connect(&route_socket).await.unwrap();
    enclave.write_all(b"hello").await.unwrap();
    enclave.shutdown().await.unwrap();
    assert_eq!(bounded(read_all(&mut enclave)).await, b"hello");
    assert_eq!(proxy.metric(&format!("egress_connections_total{name}")).await, Some(1));
    until(async || proxy.metric(&format!("egress_connections_open{name}")).await == Some(0)).await;
    let sent = name.replace('}', ",direction=\"to_host\"}");
    assert_eq!(proxy.metric(&format!("egress_bytes_total{sent}")).await, Some(5));
}
