//! The subcommand `proxy`.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

use attestation::receipt::AllowedSources;
use attested_recipient::proxy::{ListenAddress, Proxy, ProxySettings};
use attested_recipient::verified_connection::{Upstream, Verifier, VerifierClock};
use clap::Args;
use tokio::runtime::Builder;
use transport::limits::FLUSH_TIMEOUT;
use transport::logging::{self, Format, Level};
use transport::nonblocking_writer::{LogWriter, NonBlockingWriter};
use transport::{Endpoint, listening_message, shutdown_signal};

use super::error::CommandError;
use super::expectations::ExpectationArgs;

/// Serve the KMS API on this machine, and return only responses that prove that an expected enclave sent them.
///
/// Clients use the proxy as their endpoint: set AWS_ENDPOINT_URL_KMS to its address. The upstream is an enclave or
/// its relay. With an https upstream, each connection must end at the TLS key that the enclave attests. With an
/// http upstream, each response needs a receipt, so only GenerateRandom and DescribeCustomKeyStores are possible.
/// A restarted enclave needs no change, because the measurements decide, and not a CA file.
///
/// The proxy's own listener has no TLS and no authentication. Every process that can connect to it, or take its
/// address while the proxy does not run, is trusted.
#[derive(Debug, Args)]
pub(super) struct ProxyCommand {
    /// Address for clients: 127.0.0.1:PORT, unix:PATH, or systemd for the socket of the service manager.
    #[arg(long, value_name = "ADDRESS")]
    listen: ListenAddress,
    /// URL of the service, https://HOST:PORT or http://HOST:PORT.
    #[arg(long, value_name = "URL")]
    upstream: Upstream,
    /// Endpoint to connect to instead of the URL's host and port, such as vsock:CID:PORT or unix:PATH.
    #[arg(long, value_name = "ENDPOINT")]
    connect: Option<Endpoint>,
    #[command(flatten)]
    expectations: ExpectationArgs,
    /// ID of a custom key store whose bytes are accepted; may be repeated. Nothing proves that the bytes of a key
    /// store are random.
    #[arg(long, value_name = "ID")]
    allow_key_store: Vec<String>,
    /// Address of /healthz, /readyz and /metrics, HOST:PORT or unix:PATH.
    #[arg(long, value_name = "ENDPOINT")]
    admin_listen: Option<Endpoint>,
    /// Time limit of a request with all attempts, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=300)
    )]
    timeout: u64,
    /// Maximum number of connections of clients.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 256,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    max_connections: u16,
    /// Number of connections to the upstream that are opened and verified ahead of requests.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=64))]
    idle_connections: u16,
    /// User that may connect to a Unix socket, as a number; may be repeated. [default: the user of the proxy]
    #[arg(long, value_name = "UID")]
    client_uid: Vec<u32>,
    /// Format of the log on standard error: text or json.
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Text)]
    log_format: Format,
    /// Minimum level of the log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value_t = Level::default())]
    log_level: Level,
}

/// The writer of the log. It never blocks: if stderr is closed or full, lines are dropped.
static LOG: OnceLock<NonBlockingWriter<Vec<u8>>> = OnceLock::new();

impl ProxyCommand {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let mut sources = AllowedSources::nsm();
        for id in &self.allow_key_store {
            sources = sources.with_key_store(id);
        }
        let expectations = self.expectations.expectations()?.with_sources(sources);
        let lines = NonBlockingWriter::spawn("log", io::stderr())?;
        let lines = LOG.get_or_init(|| lines);
        logging::init(self.log_format, self.log_level, move || LogWriter(lines));
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let clock = VerifierClock::of_this_machine()
            .map_err(|error| CommandError::Usage(error.to_string()))?;
        let upstream = match self.connect {
            Some(endpoint) => self.upstream.reached_by(endpoint),
            None => self.upstream,
        };
        let verifier = Verifier::new(upstream, expectations, clock);
        if let Some(warning) = self.listen.warning() {
            tracing::warn!("{warning}");
        }
        let settings = ProxySettings {
            listen: self.listen,
            admin_listen: self.admin_listen,
            timeout: Duration::from_secs(self.timeout),
            max_connections: self.max_connections.into(),
            idle_connections: self.idle_connections.into(),
            client_uids: self.client_uid,
        };
        let served = runtime.block_on(serve(settings, verifier));
        lines.flush(FLUSH_TIMEOUT);
        served
    }
}

async fn serve(settings: ProxySettings, verifier: Verifier) -> Result<(), CommandError> {
    // The handlers are installed before the proxy announces itself, so that it handles every signal.
    let shutdown = shutdown_signal()?;
    let proxy = Proxy::bind(settings, verifier).await?;
    {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", listening_message("proxy", proxy.endpoint()))?;
        if let Some(admin) = proxy.admin_endpoint() {
            writeln!(stdout, "{}", listening_message("proxy admin", admin))?;
        }
        stdout.flush()?;
    }
    proxy.run(shutdown).await;
    Ok(())
}
