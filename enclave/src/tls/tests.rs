//! Handshakes in memory, by a client that trusts the authority alone.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, NamedGroup, RootCertStore, SupportedProtocolVersion};
use shared::crypto::PROVIDER;
use shared::transport::limits::MAX_HANDSHAKES;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinSet;
use tokio_rustls::{TlsConnector, client};

use super::*;

const BIRTH: u64 = 1_790_000_000;
const HOUR: u64 = 60 * 60;

/// A service's TLS, and a client's, under one clock.
struct Fixture {
    tls: Tls,
    metrics: Metrics,
    clock: Arc<AtomicU64>,
    config: ClientConfig,
}

impl Fixture {
    fn new(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let clock = Arc::new(AtomicU64::new(BIRTH));
        let now: Now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || UnixMillis::from_secs(clock.load(Ordering::Relaxed)))
        };
        let names = vec![ServerName::try_from("localhost").unwrap()];
        let metrics = Metrics::new();
        let settings = TlsSettings::Attested { names };
        let tls = Tls::start(&settings, Arc::clone(&now), &metrics).unwrap().unwrap();
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
        Self { tls, metrics, clock, config }
    }

    fn after(&self, seconds: u64) {
        self.clock.store(BIRTH + seconds, Ordering::Relaxed);
    }

    async fn connect(&self) -> io::Result<Connected> {
        let (near, far) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let name = ServerName::try_from("localhost").unwrap();
        let (client, server) = tokio::join!(connector.connect(name, near), self.tls.accept(far));
        let (server, channel) = server.map_err(io::Error::other)?;
        let mut connected = Connected { client: client?, server, channel };
        // With the first bytes come the tickets.
        connected.works().await;
        Ok(connected)
    }

    /// Full, resumed, failed, late, and given way.
    fn counted(&self) -> [u64; 5] {
        let TlsHandshakes { full, resumed, failed, late, gave_way } = &self.metrics.tls_handshakes;
        [full, resumed, failed, late, gave_way].map(|counter| counter.get())
    }
}

struct Connected {
    client: client::TlsStream<DuplexStream>,
    server: TlsStream<DuplexStream>,
    channel: Channel,
}

impl Connected {
    /// Bytes pass both ways.
    async fn works(&mut self) {
        let mut received = [0; 4];
        self.client.write_all(b"ping").await.unwrap();
        self.server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"ping");
        self.server.write_all(b"pong").await.unwrap();
        self.client.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"pong");
    }

    fn session(&self) -> &ClientConnection {
        self.client.get_ref().1
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.session().peer_certificates().unwrap()[0].clone().into_owned()
    }
}

#[tokio::test]
async fn certificates_are_replaced_without_dropping_connections() {
    let mut fixture = Fixture::new(&[&TLS13]);
    // Each connection is to see a certificate.
    fixture.config.resumption = Resumption::disabled();
    let mut first = fixture.connect().await.unwrap();
    let certificate = first.certificate();
    fixture.after(11 * HOUR);
    assert_eq!(fixture.connect().await.unwrap().certificate(), certificate);
    // By now nobody accepts the first any more, and nobody is shown it.
    fixture.after(25 * HOUR);
    assert_ne!(fixture.connect().await.unwrap().certificate(), certificate);
    first.works().await;
}

#[tokio::test]
async fn sessions_are_resumed_by_tickets_in_both_versions() {
    for (version, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let fixture = Fixture::new(&[version]);
        let kind = |connected: &Connected| connected.session().handshake_kind();
        let first = fixture.connect().await.unwrap();
        assert_ne!(kind(&first), Some(HandshakeKind::Resumed));
        let Channel::AttestedTls(details) = first.channel else { panic!("{:?}", first.channel) };
        assert_eq!(details.version, name);
        assert!(details.cipher_suite.starts_with("TLS_"), "{details:?}");
        assert_eq!(kind(&fixture.connect().await.unwrap()), Some(HandshakeKind::Resumed));
        assert_eq!(fixture.counted(), [1, 1, 0, 0, 0], "{name}");
    }
}

#[tokio::test]
async fn a_client_is_told_http_1_1_whatever_it_offers_before() {
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
    assert_eq!(fixture.counted(), [0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn what_is_no_tls_is_a_failure_and_no_more() {
    let fixture = Fixture::new(&[&TLS13]);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b"", &[0; 64]] {
        let (mut client, server) = duplex(1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let refused = fixture.tls.accept(server).await.map(drop);
        assert!(matches!(refused, Err(HandshakeError::Failed(_))), "{refused:?}");
    }
    assert_eq!(fixture.counted(), [0, 0, 4, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_go_on_is_late_and_gives_way_if_another_waits() {
    let fixture = Arc::new(Fixture::new(&[&TLS13]));
    let silent = |fixture: Arc<Fixture>| async move {
        let (_client, server) = duplex(1024);
        fixture.tls.accept(server).await.map(drop).unwrap_err()
    };
    assert!(matches!(silent(Arc::clone(&fixture)).await, HandshakeError::Late));
    assert_eq!(fixture.counted(), [0, 0, 0, 1, 0]);
    let mut crowd = JoinSet::new();
    for _ in 0..=MAX_HANDSHAKES {
        crowd.spawn(silent(Arc::clone(&fixture)));
    }
    // All but the one who waited, and then had nobody behind it.
    for _ in 0..MAX_HANDSHAKES {
        assert!(matches!(crowd.join_next().await, Some(Ok(HandshakeError::GaveWay))));
    }
    assert!(matches!(crowd.join_next().await, Some(Ok(HandshakeError::Late))));
    assert_eq!(fixture.counted(), [0, 0, 0, 2, MAX_HANDSHAKES.try_into().unwrap()]);
}

/// What is recorded today is not read by a quantum computer later, between those who both can.
#[tokio::test]
async fn keys_are_agreed_on_by_a_hybrid_where_the_provider_has_one() {
    let connected = Fixture::new(&[&TLS13]).connect().await.unwrap();
    let group = connected.session().negotiated_key_exchange_group().unwrap().name();
    let expected = match PROVIDER {
        "aws-lc-rs" => NamedGroup::X25519MLKEM768,
        _ => NamedGroup::X25519,
    };
    assert_eq!(group, expected);
}
