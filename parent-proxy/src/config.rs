use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use shared::transport::{Endpoint, limits};

/// The longest timeout that can be asked for: a year, in seconds.
const MAX_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Relays client connections to an enclave, byte by byte.
///
/// ENDPOINT is vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, tcp:HOST:PORT or HOST:PORT.
/// vsock-mux is a guest's vsock on the Unix socket PATH, as Firecracker and vhost-device-vsock serve it.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Config {
    /// Where clients connect.
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Endpoint,

    /// Where the enclave listens, such as vsock:16:5000.
    #[arg(long, value_name = "ENDPOINT")]
    pub upstream: Endpoint,

    /// Hand this file to the enclave, which takes its configuration from it when it boots.
    ///
    /// It is an archive as `attested-recipient config-archive` makes it, and holds secrets.
    #[arg(long, value_name = "FILE", requires = "config_listen")]
    pub config_archive: Option<PathBuf>,

    /// Where the enclave takes it, such as vsock:4294967295:5001.
    #[arg(long, value_name = "ENDPOINT", requires = "config_archive")]
    pub config_listen: Option<Endpoint>,

    /// Connections relayed at a time; more wait in the kernel's queue.
    #[arg(long, value_name = "N", default_value_t = max_connections())]
    pub max_connections: NonZeroUsize,

    /// Threads that relay.
    ///
    /// The default is one for each processor, up to 4, which are more than an enclave can keep busy.
    #[arg(long, value_name = "N", default_value_t = threads())]
    pub threads: NonZeroUsize,

    /// How long a connection attempt to the enclave may take, in seconds.
    ///
    /// The default leaves room for the kernel's own vsock timeout of 2 s, whose error says more.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)]
    pub connect_timeout: Duration,

    /// How long neither side may send a byte, in seconds.
    ///
    /// The default outlasts the enclave's own deadlines, which can answer the client; this one can
    /// only close.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)]
    pub idle_timeout: Duration,

    /// How long a connection may live, in seconds, busy or not.
    ///
    /// The default ends what trickles, while a keep-alive client reconnects only once an hour.
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)]
    pub total_timeout: Duration,

    /// How long open connections may go on after SIGTERM or SIGINT, in seconds.
    ///
    /// The default ends before the 30 s after which container runtimes commonly kill.
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)]
    pub drain_timeout: Duration,
}

fn max_connections() -> NonZeroUsize {
    NonZeroUsize::new(limits::MAX_CONNECTIONS).unwrap_or(NonZeroUsize::MIN)
}

fn threads() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
    available_parallelism().map_or(NonZeroUsize::MIN, |processors| processors.min(MOST))
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (1..=MAX_SECONDS).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("write whole seconds, from 1 to {MAX_SECONDS}"))
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        let required = ["parent-proxy", "--listen", "127.0.0.1:0", "--upstream", "vsock:16:5000"];
        Config::try_parse_from(required.iter().chain(arguments))
    }

    #[test]
    fn defaults_are_what_the_help_explains() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.listen, Endpoint::Tcp("127.0.0.1:0".to_owned()));
        assert_eq!(config.upstream, Endpoint::Vsock { cid: 16, port: 5000 });
        assert_eq!(config.max_connections.get(), 4096);
        assert!((1..=4).contains(&config.threads.get()));
        let timeouts = [
            config.connect_timeout,
            config.idle_timeout,
            config.total_timeout,
            config.drain_timeout,
        ];
        assert_eq!(timeouts.map(|timeout| timeout.as_secs()), [3, 60, 3600, 25]);
    }

    #[test]
    fn rejects_timeouts_that_are_not_positive_whole_seconds() {
        for flag in ["--connect-timeout", "--idle-timeout", "--total-timeout", "--drain-timeout"] {
            for value in ["0", "-1", "1.5", "", "ten", "31536001", "18446744073709551616"] {
                let error = parse(&[flag, value]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ValueValidation, "{flag} {value}: {error}");
                assert!(error.to_string().contains("whole seconds, from 1"), "{error}");
                assert_eq!(error.exit_code(), 2);
            }
        }
    }

    #[test]
    fn the_file_and_where_it_is_taken_go_together() {
        let both = ["--config-archive", "c.tar", "--config-listen", "vsock:4294967295:5001"];
        let config = parse(&both).unwrap();
        assert_eq!(config.config_archive, Some("c.tar".into()));
        assert_eq!(config.config_listen, Some(Endpoint::Vsock { cid: u32::MAX, port: 5001 }));
        for one in [&both[..2], &both[2..]] {
            let error = parse(one).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument, "{error}");
        }
    }

    #[test]
    fn rejects_a_cap_of_no_connections() {
        let error = parse(&["--max-connections", "0"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
    }

    #[test]
    fn says_what_an_endpoint_looks_like_when_it_is_none() {
        let arguments = ["parent-proxy", "--listen", "127.0.0.1:0", "--upstream", "http://a:1"];
        let error = Config::try_parse_from(arguments).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
        assert!(error.to_string().contains("vsock:CID:PORT"), "{error}");
    }
}
