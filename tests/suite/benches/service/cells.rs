//! Ways to ask, which are measured in turn.

use std::time::Duration;

use crate::crowd::{Crowd, generate_random};
use crate::figures::Figures;
use crate::load::Failure;
use crate::process::Process;
use crate::servers::{Enclave, Known, relay};
use crate::{KEYS, bare};

const ROUNDS: usize = 11;
const ROUND: Duration = Duration::from_millis(400);

/// What few bytes in the clear are asked for with.
pub(crate) const PLAIN: &str = r#"{"NumberOfBytes":32}"#;

/// A server behind a relay, and clients who ask it one thing.
struct Cell<'a> {
    name: String,
    server: &'a Process,
    crowd: Crowd,
    rates: Vec<f64>,
    /// The server's processor time of one request, in microseconds.
    costs: Vec<f64>,
}

/// The service, a relay before it, and what it knows.
pub(crate) struct Relayed {
    pub(crate) enclave: Enclave,
    pub(crate) relay: Process,
}

impl Relayed {
    pub(crate) fn start(toml: &str, files: &[(&str, &str)]) -> Result<Self, Failure> {
        let enclave = Enclave::start(toml, files)?;
        let relay = relay(enclave.address())?;
        Ok(Self { enclave, relay })
    }

    fn cell(&self, name: &str, clients: usize, request: &[u8]) -> Cell<'_> {
        Cell::new(name, self.enclave.process(), &self.relay, clients, request)
    }
}

impl<'a> Cell<'a> {
    fn new(
        name: &str,
        server: &'a Process,
        relay: &Process,
        clients: usize,
        request: &[u8],
    ) -> Self {
        let name = format!("{name}_c{clients}");
        let crowd = Crowd::new(relay.address(), clients, request);
        Self { name, server, crowd, rates: Vec::new(), costs: Vec::new() }
    }

    fn measure(&mut self) -> Result<(), Failure> {
        let before = self.server.cpu_time()?;
        let tally = self.crowd.ask_for(ROUND)?;
        let spent = self.server.cpu_time()?.saturating_sub(before);
        if tally.answered == 0 || tally.refused > 0 {
            return Err(format!("{}: {} were refused", self.name, tally.refused).into());
        }
        self.rates.push(tally.rate());
        self.costs.push(spent.as_secs_f64() * 1e6 / f64::from(tally.answered));
        Ok(())
    }
}

/// Measures all, one after the other, again and again.
fn interleave(cells: &mut [Cell<'_>], figures: &mut Figures) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        cells.iter_mut().try_for_each(Cell::measure)?;
    }
    for cell in &*cells {
        figures.add(&cell.name, "requests/s", cell.rates.iter().copied())?;
        figures.add(&format!("{}_cpu", cell.name), "us", cell.costs.iter().copied())?;
    }
    Ok(())
}

/// Plain requests beside a server that only answers, behind the same relay.
pub(crate) fn plain(figures: &mut Figures) -> Result<(), Failure> {
    let (ours, floor) = (Relayed::start("", &[])?, bare::start()?);
    let floor_relay = relay(floor.address())?;
    let request = generate_random(PLAIN);
    for clients in [1, 32, 256] {
        let mut cells = [
            ours.cell("plain", clients, &request),
            Cell::new("bare_hyper", &floor, &floor_relay, clients, &request),
        ];
        interleave(&mut cells, figures)?;
        let name = match clients {
            32 => "plain_vs_bare_hyper".to_owned(),
            clients => format!("plain_vs_bare_hyper_c{clients}"),
        };
        let [ours, floor] = &cells;
        figures.add_ratio(&name, &ours.rates, &floor.rates)?;
    }
    Ok(())
}

/// Attested requests, by what is known of their document, by how many ask, and by their key.
pub(crate) fn attested(figures: &mut Figures) -> Result<(), Failure> {
    let names = [
        ("cold", Known::Nothing),
        ("chain_known", Known::Chain),
        ("leaf_known", Known::Leaf),
        ("same_document", Known::Document),
    ];
    let mut services = Vec::new();
    for (name, known) in names {
        services.push((name, Relayed::start(&known.to_toml(), &[])?));
    }
    let [(_, rsa_2048), ..] = KEYS;
    let mut cells = Vec::new();
    for (name, service) in &services {
        let request = service.enclave.attested_request(rsa_2048)?;
        for clients in [1, 32, 256] {
            cells.push(service.cell(&format!("attested_{name}"), clients, &request));
        }
    }
    let [(_, cold), ..] = &services[..] else { return Err("no service".into()) };
    for (name, key) in KEYS {
        let request = cold.enclave.attested_request(key)?;
        cells.push(cold.cell(&format!("attested_{name}"), 32, &request));
    }
    interleave(&mut cells, figures)
}

/// The same signed request to each, and how the others compare to the first.
pub(crate) fn signed(
    services: &[(&str, Relayed)],
    request: &[u8],
    figures: &mut Figures,
) -> Result<(), Failure> {
    let cells = services.iter().map(|(name, service)| service.cell(name, 32, request));
    let mut cells: Vec<_> = cells.collect();
    interleave(&mut cells, figures)?;
    let [first, others @ ..] = &cells[..] else { return Err("no service".into()) };
    for ((name, _), other) in services.iter().skip(1).zip(others) {
        figures.add_ratio(&format!("{name}_vs_1"), &other.rates, &first.rates)?;
    }
    Ok(())
}
