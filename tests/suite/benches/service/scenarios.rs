//! Scenarios. Each round measures all scenarios, one after the other.

use std::time::Duration;

use crate::concurrent_clients::{ConcurrentClients, generate_random};
use crate::figures::Figures;
use crate::load::BoxError;
use crate::process::Process;
use crate::servers::{CacheLevel, Enclave, relay};
use crate::{KEYS, hyper_baseline};

const ROUNDS: usize = 11;
const ROUND: Duration = Duration::from_millis(400);

/// Body of a request for few bytes in plaintext.
pub(crate) const PLAIN: &str = r#"{"NumberOfBytes":32}"#;

/// A scenario: a server behind a relay, and clients that send the same request.
pub(crate) struct Scenario<'a> {
    name: String,
    server: &'a Process,
    clients: ConcurrentClients,
    pub(crate) rates: Vec<f64>,
    /// Processor time of the server per request, in microseconds.
    pub(crate) costs: Vec<f64>,
}

/// The service and a relay in front of it.
pub(crate) struct RelayedService {
    pub(crate) enclave: Enclave,
    pub(crate) relay: Process,
}

impl RelayedService {
    pub(crate) fn start(toml: &str, files: &[(&str, &str)]) -> Result<Self, BoxError> {
        let enclave = Enclave::start(toml, files)?;
        let relay = relay(enclave.address())?;
        Ok(Self { enclave, relay })
    }

    pub(crate) fn scenario(&self, name: &str, clients: usize, request: &[u8]) -> Scenario<'_> {
        Scenario::new(name, self.enclave.process(), &self.relay, clients, request)
    }
}

impl<'a> Scenario<'a> {
    pub(crate) fn new(
        name: &str,
        server: &'a Process,
        relay: &Process,
        clients: usize,
        request: &[u8],
    ) -> Self {
        let name = format!("{name}_c{clients}");
        let clients = ConcurrentClients::new(relay.address(), clients, request);
        Self { name, server, clients, rates: Vec::new(), costs: Vec::new() }
    }

    fn measure(&mut self) -> Result<(), BoxError> {
        let before = self.server.cpu_time()?;
        let result = self.clients.run_for(ROUND)?;
        let spent = self.server.cpu_time()?.saturating_sub(before);
        if result.succeeded == 0 || result.rejected > 0 {
            return Err(format!("{}: {} requests were rejected", self.name, result.rejected).into());
        }
        self.rates.push(result.rate());
        self.costs.push(spent.as_secs_f64() * 1e6 / f64::from(result.succeeded));
        Ok(())
    }
}

/// Measures all scenarios in turn, round by round.
pub(crate) fn interleave(
    scenarios: &mut [Scenario<'_>],
    figures: &mut Figures,
) -> Result<(), BoxError> {
    for _ in 0..ROUNDS {
        scenarios.iter_mut().try_for_each(Scenario::measure)?;
    }
    for scenario in &*scenarios {
        figures.add(&scenario.name, "requests/s", scenario.rates.iter().copied())?;
        figures.add(&format!("{}_cpu", scenario.name), "us", scenario.costs.iter().copied())?;
    }
    Ok(())
}

/// Measures plain requests, compared with the baseline server behind the same relay.
pub(crate) fn plain(figures: &mut Figures) -> Result<(), BoxError> {
    let (ours, baseline) = (RelayedService::start("", &[])?, hyper_baseline::start()?);
    let baseline_relay = relay(baseline.address())?;
    let request = generate_random(PLAIN);
    for clients in [1, 32, 256] {
        let mut scenarios = [
            ours.scenario("plain", clients, &request),
            Scenario::new("bare_hyper", &baseline, &baseline_relay, clients, &request),
        ];
        interleave(&mut scenarios, figures)?;
        let name = match clients {
            32 => "plain_vs_bare_hyper".to_owned(),
            clients => format!("plain_vs_bare_hyper_c{clients}"),
        };
        let [ours, baseline] = &scenarios;
        figures.add_ratio(&name, &ours.rates, &baseline.rates)?;
    }
    Ok(())
}

/// Measures attested requests by cache level, number of clients and recipient key.
pub(crate) fn attested(figures: &mut Figures) -> Result<(), BoxError> {
    let names = [
        ("cold", CacheLevel::None),
        ("chain_known", CacheLevel::Chain),
        ("leaf_known", CacheLevel::Leaf),
        ("same_document", CacheLevel::Document),
    ];
    let mut services = Vec::new();
    for (name, caches) in names {
        services.push((name, RelayedService::start(&caches.to_toml(), &[])?));
    }
    let [(_, rsa_2048), ..] = KEYS;
    let mut scenarios = Vec::new();
    for (name, service) in &services {
        let request = service.enclave.attested_request(rsa_2048)?;
        for clients in [1, 32, 256] {
            scenarios.push(service.scenario(&format!("attested_{name}"), clients, &request));
        }
    }
    let [(_, cold), ..] = &services[..] else { return Err("no service".into()) };
    for (name, key) in KEYS {
        let request = cold.enclave.attested_request(key)?;
        scenarios.push(cold.scenario(&format!("attested_{name}"), 32, &request));
    }
    interleave(&mut scenarios, figures)
}

/// Measures the same signed request with each service. Compares each result with the result of the
/// first service.
pub(crate) fn signed(
    services: &[(&str, RelayedService)],
    request: &[u8],
    figures: &mut Figures,
) -> Result<(), BoxError> {
    let scenarios = services.iter().map(|(name, service)| service.scenario(name, 32, request));
    let mut scenarios: Vec<_> = scenarios.collect();
    interleave(&mut scenarios, figures)?;
    let [first, others @ ..] = &scenarios[..] else { return Err("no service".into()) };
    for ((name, _), other) in services.iter().skip(1).zip(others) {
        figures.add_ratio(&format!("{name}_vs_1"), &other.rates, &first.rates)?;
    }
    Ok(())
}
