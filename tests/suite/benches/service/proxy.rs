//! Measures the cost of `attested-recipient proxy`, per request and per new connection to an enclave.

use std::net::SocketAddr;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use attested_recipient::Expectations;
use attested_recipient::verified_connection::{Verifier, VerifierClock};
use tokio::runtime::Builder;

use crate::concurrent_clients::generate_random;
use crate::connector::{Connector, Session};
use crate::figures::Figures;
use crate::load::BoxError;
use crate::over_tls::{TLS, authority};
use crate::process::{Process, binary, cpu_time};
use crate::receipts::with_nonce;
use crate::scenarios::{PLAIN, RelayedService, Scenario, interleave};

const CLIENTS: usize = 32;
const CONNECTION_ROUNDS: usize = 7;
const CONNECTION_ROUND: Duration = Duration::from_millis(600);

/// Compares requests through the proxy with requests to the relay, and verified connections with
/// connections without verification.
pub(crate) fn proxy(figures: &mut Figures) -> Result<(), BoxError> {
    let (plain, tls) = (RelayedService::start("", &[])?, RelayedService::start(TLS, &[])?);
    let addresses = [plain.relay.address(), tls.relay.address()];
    requests(&plain, addresses, figures)?;
    connections(addresses, figures)
}

fn requests(
    service: &RelayedService,
    [plain, tls]: [SocketAddr; 2],
    figures: &mut Figures,
) -> Result<(), BoxError> {
    let over_http = start_proxy(&format!("http://{plain}"))?;
    let over_tls = start_proxy(&format!("https://{tls}"))?;
    let request = generate_random(PLAIN);
    let mut scenarios = [
        service.scenario("proxy_none", CLIENTS, &request),
        service.scenario("proxy_none_with_receipt", CLIENTS, &with_nonce(&request)?),
        Scenario::new("proxy_receipts", &over_http, &over_http, CLIENTS, &request),
        Scenario::new("proxy_attested_tls", &over_tls, &over_tls, CLIENTS, &request),
    ];
    interleave(&mut scenarios, figures)?;
    let [direct, _, over_http, over_tls] = &scenarios;
    figures.add_ratio("proxy_receipts_vs_none", &over_http.rates, &direct.rates)?;
    figures.add_ratio("proxy_attested_tls_vs_none", &over_tls.rates, &direct.rates)?;
    Ok(())
}

fn start_proxy(upstream: &str) -> Result<Process, BoxError> {
    let mut command = Command::new(binary("attested-recipient")?);
    command.args(["proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, "--simulator"]);
    Process::spawn_announced(command.stderr(Stdio::null()))
}

/// Measures the processor time of a client per new connection.
fn connections(addresses: [SocketAddr; 2], figures: &mut Figures) -> Result<(), BoxError> {
    let [plain, tls] = addresses;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let verified = |url: String| -> Result<_, BoxError> {
        let clock = VerifierClock::of_this_machine()?;
        let verifier = Verifier::new(url.parse()?, Expectations::simulator(), clock);
        let runtime = &runtime;
        Ok(move || runtime.block_on(verifier.open()).map(drop).map_err(BoxError::from))
    };
    let unverified = |connector: Connector| {
        move || connector.for_one_client().get("/healthz").map(drop).map_err(BoxError::from)
    };
    let tls_connector = Connector::tls(tls, &authority(tls)?, Session::New)?;
    let kinds: [(&str, Box<Open<'_>>); 4] = [
        ("connection_plain", Box::new(unverified(Connector::plain(plain)))),
        ("connection_tls", Box::new(unverified(tls_connector))),
        ("connection_receipts", Box::new(verified(format!("http://{plain}"))?)),
        ("connection_attested_tls", Box::new(verified(format!("https://{tls}"))?)),
    ];
    let mut rounds = Vec::new();
    for _ in 0..CONNECTION_ROUNDS {
        let costs = kinds.iter().map(|(_, open)| cost_of(open));
        rounds.push(costs.collect::<Result<Vec<f64>, _>>()?);
    }
    for (index, (name, _)) in kinds.iter().enumerate() {
        let costs = rounds.iter().filter_map(|costs| costs.get(index).copied());
        figures.add(&format!("{name}_client_cpu"), "us", costs)?;
    }
    Ok(())
}

/// Opens and closes one connection.
type Open<'a> = dyn Fn() -> Result<(), BoxError> + 'a;

/// Returns the processor time of this process per call of `open`, in microseconds.
fn cost_of(open: &Open<'_>) -> Result<f64, BoxError> {
    let (before, start, mut count) = (cpu_time(process::id())?, Instant::now(), 0);
    while start.elapsed() < CONNECTION_ROUND {
        open()?;
        count += 1;
    }
    let spent = cpu_time(process::id())?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / f64::from(count))
}
