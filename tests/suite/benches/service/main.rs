//! Benchmark of the whole service behind its relay, over HTTP, compared with a baseline server. It
//! measures throughput, latency, authentication and memory. Arguments select groups of measurements.
//!
//! Rounds are interleaved. Compare results only within one run, because machines vary. Clients share the
//! processors with the servers.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::env;

use self::figures::Figures;
use self::load::BoxError;

mod authorization;
#[path = "../concurrent_clients/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod concurrent_clients;
#[path = "../tls/connector.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod connector;
#[path = "../figures/mod.rs"]
mod figures;
#[path = "../hyper_baseline/mod.rs"]
mod hyper_baseline;
#[path = "../keep_alive/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod keep_alive;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
mod over_tls;
#[path = "../process/mod.rs"]
mod process;
mod proxy;
mod receipts;
mod scenarios;
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod servers;
mod signed_request;
mod under_load;

/// Recipient keys by name. The first one is the default.
const KEYS: [(&str, &str); 3] = [
    ("rsa_2048", include_str!("../../keys/rsa-2048.pem")),
    ("rsa_3072", include_str!("../../keys/rsa-3072.pem")),
    ("rsa_4096", include_str!("../../keys/rsa-4096.pem")),
];

type Group = fn(&mut Figures) -> Result<(), BoxError>;

const GROUPS: [(&str, Group); 8] = [
    ("plain", scenarios::plain),
    ("attested", scenarios::attested),
    ("receipts", receipts::receipts),
    ("proxy", proxy::proxy),
    ("tls", over_tls::tls),
    ("signed", authorization::signed),
    ("latency", under_load::latency),
    ("memory", under_load::memory),
];

fn main() -> Result<(), BoxError> {
    if hyper_baseline::is_server_process() {
        return hyper_baseline::serve();
    }
    // Cargo adds an option of its own, which is ignored.
    let wanted: Vec<String> = env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let mut figures = Figures::default();
    let mut groups = GROUPS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    let result = groups.try_for_each(|(_, measure)| measure(&mut figures));
    // The figures of a group that missed a bound show by how much.
    figures.publish()?;
    result
}
