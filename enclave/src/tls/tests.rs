//! Tests of handshakes in memory. The client trusts only the authority.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use attestation::crypto::PROVIDER;
use attestation::time::UnixMillis;
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConnection, HandshakeKind, NamedGroup, RootCertStore, SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinSet;
use tokio_rustls::{TlsConnector, client};
use transport::limits::MAX_HANDSHAKES;

use super::*;
use crate::metrics::MetricsRegistry;

const START: u64 = 1_790_000_000;
const HOUR: u64 = 60 * 60;

/// A TLS server and the configuration of a client. Both use the same clock.
struct Fixture {
    tls: Tls,
    handshakes: TlsMetrics,
    clock: Arc<AtomicU64>,
    config: ClientConfig,
}

impl Fixture {
    fn new(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let clock = Arc::new(AtomicU64::new(START));
        let now: TimeSource = {
            let clock = Arc::clone(&clock);
            Arc::new(move || UnixMillis::from_secs(clock.load(Ordering::Relaxed)))
        };
        let names = vec![ServerName::try_from("localhost").unwrap()];
        let handshakes = TlsMetrics::register(&mut MetricsRegistry::new());
        let settings = TlsSettings::Attested { names };
        let tls = Tls::start(&settings, Arc::clone(&now), handshakes.clone()).unwrap().unwrap();
        let mut roots = RootCertStore::empty();
        let pem = tls.certificate_pem().unwrap();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let provider = tls_provider();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(TrustedTime(now)))
            .with_protocol_versions(versions)
            .unwrap()
            .with_webpki_verifier(verifier.build().unwrap())
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(4);
        Self { tls, handshakes, clock, config }
    }

    fn after(&self, seconds: u64) {
        self.clock.store(START + seconds, Ordering::Relaxed);
    }

    async fn connect(&self) -> io::Result<Connected<'_>> {
        let mut connected = self.handshake("localhost").await?;
        // The session tickets arrive with the first bytes.
        connected.exchange_bytes().await;
        Ok(connected)
    }

    /// Performs only a handshake, with a client that expects `name`.
    async fn handshake(&self, name: &'static str) -> io::Result<Connected<'_>> {
        let (near, far) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let name = ServerName::try_from(name).unwrap();
        let (client, server) = tokio::join!(connector.connect(name, near), self.tls.accept(far));
        let (server, transport_security) = server.map_err(io::Error::other)?;
        Ok(Connected { client: client?, server, transport_security })
    }

    /// Returns the counted outcomes with their counts.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        let TlsMetrics {
            full,
            resumed,
            unknown_ca,
            bad_certificate,
            other_alert,
            closed,
            failed,
            timed_out,
            evicted,
        } = &self.handshakes;
        let counters = [
            ("full", full),
            ("resumed", resumed),
            ("unknown_ca", unknown_ca),
            ("bad_certificate", bad_certificate),
            ("other_alert", other_alert),
            ("closed", closed),
            ("failed", failed),
            ("timed_out", timed_out),
            ("evicted", evicted),
        ];
        let counts = counters.map(|(outcome, counter)| (outcome, counter.get()));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

struct Connected<'a> {
    client: client::TlsStream<DuplexStream>,
    server: TlsStream<'a, DuplexStream>,
    transport_security: TransportSecurity,
}

impl Connected<'_> {
    /// Sends bytes in both directions.
    async fn exchange_bytes(&mut self) {
        let mut received = [0; 4];
        self.client.write_all(b"ping").await.unwrap();
        self.server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"ping");
        self.server.write_all(b"pong").await.unwrap();
        self.client.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"pong");
    }

    /// Makes the client send a fatal alert that is not about the certificate.
    async fn send_fatal_alert(self) {
        let Self { client, mut server, .. } = self;
        let (mut stream, mut session) = client.into_inner();
        // A record that does not decrypt.
        session.read_tls(&mut &[b"\x17\x03\x03\x00\x20", &[7; 32][..]].concat()[..]).unwrap();
        session.process_new_packets().unwrap_err();
        let mut alert = Vec::new();
        session.write_tls(&mut alert).unwrap();
        stream.write_all(&alert).await.unwrap();
        server.read_u8().await.unwrap_err();
    }

    fn session(&self) -> &ClientConnection {
        self.client.get_ref().1
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.session().peer_certificates().unwrap()[0].clone().into_owned()
    }
}

#[tokio::test]
async fn renews_certificates_without_closing_connections() {
    let mut fixture = Fixture::new(&[&TLS13]);
    // Full handshakes only, so that each connection receives a certificate.
    fixture.config.resumption = Resumption::disabled();
    let mut first = fixture.connect().await.unwrap();
    let certificate = first.certificate();
    fixture.after(11 * HOUR);
    assert_eq!(fixture.connect().await.unwrap().certificate(), certificate);
    // The first certificate has expired and is no longer sent.
    fixture.after(25 * HOUR);
    assert_ne!(fixture.connect().await.unwrap().certificate(), certificate);
    first.exchange_bytes().await;
}

#[tokio::test]
async fn resumes_sessions_with_tickets_in_tls_1_2_and_1_3() {
    for (version, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let fixture = Fixture::new(&[version]);
        let kind = |connected: &Connected| connected.session().handshake_kind();
        let first = fixture.connect().await.unwrap();
        assert_ne!(kind(&first), Some(HandshakeKind::Resumed));
        let TransportSecurity::AttestedTls(details) = first.transport_security else {
            panic!("{:?}", first.transport_security)
        };
        assert_eq!(details.version, name);
        assert!(details.cipher_suite.starts_with("TLS_"), "{details:?}");
        assert_eq!(kind(&fixture.connect().await.unwrap()), Some(HandshakeKind::Resumed));
        assert_eq!(fixture.counts(), [("full", 1), ("resumed", 1)], "{name}");
    }
}

#[tokio::test]
async fn negotiates_http_1_1_regardless_of_the_offer() {
    for (offered, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut fixture = Fixture::new(&[&TLS13]);
        fixture.config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let connected = fixture.connect().await.unwrap();
        assert_eq!(connected.session().alpn_protocol(), agreed);
    }
    let mut fixture = Fixture::new(&[&TLS13]);
    fixture.config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(fixture.connect().await.is_err());
    assert_eq!(fixture.counts(), [("failed", 1)]);
}

#[tokio::test]
async fn counts_non_tls_bytes_as_failed() {
    let fixture = Fixture::new(&[&TLS13]);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b"", &[0; 64]] {
        let (mut client, server) = duplex(1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let refused = fixture.tls.accept(server).await.map(drop);
        assert!(matches!(refused, Err(HandshakeError::Failed(_))), "{refused:?}");
    }
    assert_eq!(fixture.counts(), [("closed", 1), ("failed", 3)]);
}

/// Returns a client configuration that trusts only the authority of another server.
async fn refused_as_unknown(version: &'static SupportedProtocolVersion) -> Fixture {
    let other = Fixture::new(&[version]);
    let mut fixture = Fixture::new(&[version]);
    fixture.config = other.config;
    fixture.handshake("localhost").await.map(drop).unwrap_err();
    fixture
}

#[tokio::test]
async fn counts_alerts_about_the_certificate_by_cause() {
    for version in [&TLS12, &TLS13] {
        let fixture = refused_as_unknown(version).await;
        assert_eq!(fixture.counts(), [("unknown_ca", 1)], "{version:?}");
        let fixture = Fixture::new(&[version]);
        fixture.handshake("other.example").await.map(drop).unwrap_err();
        assert_eq!(fixture.counts(), [("bad_certificate", 1)], "{version:?}");
        // Only the clock of the client is a year ahead.
        let mut fixture = Fixture::new(&[version]);
        let ahead = Fixture::new(&[version]);
        ahead.after(365 * 24 * HOUR);
        let time = TrustedTime(Arc::new(move || {
            UnixMillis::from_secs(ahead.clock.load(Ordering::Relaxed))
        }));
        fixture.config.time_provider = Arc::new(time);
        fixture.handshake("localhost").await.map(drop).unwrap_err();
        assert_eq!(fixture.counts(), [("other_alert", 1)], "{version:?}");
    }
}

#[tokio::test]
async fn counts_a_close_during_the_handshake_as_closed() {
    for version in [&TLS12, &TLS13] {
        let fixture = Fixture::new(&[version]);
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(fixture.config.clone()), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        let (mut near, far) = duplex(64 * 1024);
        near.write_all(&hello).await.unwrap();
        near.shutdown().await.unwrap();
        fixture.tls.accept(far).await.map(drop).unwrap_err();
        assert_eq!(fixture.counts(), [("closed", 1)], "{version:?}");
    }
}

#[tokio::test]
async fn counts_alert_before_first_byte_as_failure_only() {
    for version in [&TLS12, &TLS13] {
        let fixture = Fixture::new(&[version]);
        let connected = fixture.handshake("localhost").await.unwrap();
        assert_eq!(fixture.counts(), [], "{version:?}");
        connected.send_fatal_alert().await;
        assert_eq!(fixture.counts(), [("other_alert", 1)], "{version:?}");
    }
}

#[tokio::test]
async fn counts_close_before_first_byte_by_close_notify() {
    for version in [&TLS12, &TLS13] {
        for (close_notify, outcome) in [(true, "full"), (false, "closed")] {
            let fixture = Fixture::new(&[version]);
            let Connected { mut client, mut server, .. } =
                fixture.handshake("localhost").await.unwrap();
            match close_notify {
                true => client.shutdown().await.unwrap(),
                false => drop(client),
            }
            server.read_u8().await.unwrap_err();
            drop(server);
            assert_eq!(fixture.counts(), [(outcome, 1)], "{version:?}");
        }
        // The server closes the connection.
        let fixture = Fixture::new(&[version]);
        drop(fixture.handshake("localhost").await.unwrap());
        assert_eq!(fixture.counts(), [("full", 1)], "{version:?}");
    }
}

#[tokio::test]
async fn counts_alert_after_first_byte_as_success() {
    for version in [&TLS12, &TLS13] {
        let fixture = Fixture::new(&[version]);
        fixture.connect().await.unwrap().send_fatal_alert().await;
        assert_eq!(fixture.counts(), [("full", 1)], "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_client_times_out_or_is_evicted() {
    let fixture = Arc::new(Fixture::new(&[&TLS13]));
    let silent = |fixture: Arc<Fixture>| async move {
        let (_client, server) = duplex(1024);
        fixture.tls.accept(server).await.map(drop).unwrap_err()
    };
    assert!(matches!(silent(Arc::clone(&fixture)).await, HandshakeError::TimedOut));
    assert_eq!(fixture.counts(), [("timed_out", 1)]);
    let mut silent_clients = JoinSet::new();
    for _ in 0..=MAX_HANDSHAKES {
        silent_clients.spawn(silent(Arc::clone(&fixture)));
    }
    // The client that waited is not evicted, because no other client waits for a permit.
    for _ in 0..MAX_HANDSHAKES {
        assert!(matches!(silent_clients.join_next().await, Some(Ok(HandshakeError::Evicted))));
    }
    assert!(matches!(silent_clients.join_next().await, Some(Ok(HandshakeError::TimedOut))));
    let evicted = MAX_HANDSHAKES.try_into().unwrap();
    assert_eq!(fixture.counts(), [("timed_out", 2), ("evicted", evicted)]);
}

/// Expects a hybrid key exchange, which protects recorded traffic against a later quantum computer.
#[tokio::test]
async fn negotiates_hybrid_key_exchange_if_available() {
    let fixture = Fixture::new(&[&TLS13]);
    let connected = fixture.connect().await.unwrap();
    let group = connected.session().negotiated_key_exchange_group().unwrap().name();
    let expected = match PROVIDER {
        "aws-lc-rs" => NamedGroup::X25519MLKEM768,
        _ => NamedGroup::X25519,
    };
    assert_eq!(group, expected);
}
