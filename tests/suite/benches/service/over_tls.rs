//! Measurements of the same requests with and without TLS, by the same kind of client.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::KEYS;
use crate::connector::{Connector, Session};
use crate::figures::Figures;
use crate::keep_alive::KeepAliveClient;
use crate::load::{BoxError, rate};
use crate::process::binary;
use crate::scenarios::{PLAIN, RelayedService};
use crate::servers::{CacheLevel, attested_body};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(600);
const CLIENTS: [u64; 3] = [1, 32, 256];

pub(crate) const TLS: &str = "[tls]\nmode = \"attested\"\nnames = [\"localhost\", \"127.0.0.1\"]\n";

struct Scenario {
    name: String,
    clients: u64,
    connector: Connector,
    body: String,
    rates: Vec<f64>,
}

/// Measures requests per second over persistent connections.
pub(crate) fn tls(figures: &mut Figures) -> Result<(), BoxError> {
    let cold = CacheLevel::None.to_toml();
    let plain = RelayedService::start(&cold, &[])?;
    let tls = RelayedService::start(&[TLS, &cold].concat(), &[])?;
    let (plain_address, tls_address) = (plain.relay.address(), tls.relay.address());
    let plain_client = suite::client(&format!("http://{plain_address}"));
    let pem = authority(tls_address)?;
    let tls_client =
        suite::client(&format!("https://{tls_address}")).with_ca_certificates(pem.as_bytes())?;
    let [(_, key), ..] = KEYS;
    let mut scenarios = Vec::new();
    for clients in CLIENTS {
        let mut add = |name: &str, connector, body: &str| {
            let name = format!("{name}_c{clients}");
            scenarios.push(Scenario {
                name,
                clients,
                connector,
                body: body.to_owned(),
                rates: Vec::new(),
            });
        };
        let over_tls = || Connector::tls(tls_address, &pem, Session::New);
        add("tls_off_plain", Connector::plain(plain_address), PLAIN);
        add("tls_plain", over_tls()?, PLAIN);
        add(
            "tls_off_attested_cold",
            Connector::plain(plain_address),
            &attested_body(&plain_client, key)?,
        );
        add("tls_attested_cold", over_tls()?, &attested_body(&tls_client, key)?);
    }
    for _ in 0..ROUNDS {
        for scenario in &mut scenarios {
            scenario.rates.push(measure(scenario)?);
        }
    }
    for scenario in &scenarios {
        figures.add(&scenario.name, "requests/s", scenario.rates.iter().copied())?;
    }
    for pair in scenarios.chunks_exact(2) {
        let [off, on] = pair else { continue };
        figures.add_ratio(&format!("{}_vs_off", on.name), &on.rates, &off.rates)?;
    }
    Ok(())
}

fn measure(scenario: &Scenario) -> Result<f64, BoxError> {
    rate(scenario.clients, ROUND, |round| {
        let mut client = KeepAliveClient::with_body(
            scenario.connector.for_one_client().connect()?,
            &scenario.body,
        );
        while round.is_running() {
            client.request()?;
            round.count_one();
        }
        Ok(())
    })
}

/// Returns the CA certificate of the service's TLS, in PEM.
pub(crate) fn authority(address: SocketAddr) -> Result<String, BoxError> {
    let folder = tempfile::tempdir()?;
    let pem = folder.path().join("ca.pem");
    let mut command = Command::new(binary("attested-recipient")?);
    command.args(["trust", "--simulator", &format!("https://{address}"), "--out"]).arg(&pem);
    let output = command.output()?;
    match output.status.success() {
        true => Ok(fs::read_to_string(pem)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}
