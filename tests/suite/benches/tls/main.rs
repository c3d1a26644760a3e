//! Benchmark of the cost of TLS. It measures new connections per second with one request each, and
//! requests per second on persistent connections, both with and without TLS. It also checks that TLS
//! sessions are resumed.
//!
//! Clients run on the same processors as the servers, and cause about half of the cost of a
//! handshake. Rounds are interleaved. Compare results only within one run, because machines vary.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use attested_recipient::Simulator;

use self::connector::{Connector, Session};
use self::keep_alive::KeepAliveClient;
use self::load::{BoxError, median, rate};

mod connector;
#[path = "../keep_alive/mod.rs"]
mod keep_alive;
#[path = "../load/mod.rs"]
mod load;

/// Number of concurrent clients.
const CLIENTS: u64 = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);

/// A kind of connection, and the unit of its results.
struct Setting {
    name: &'static str,
    connector: Connector,
    keeps_alive: bool,
}

fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let plain = simulator(folder.path(), "")?;
    let tls = simulator(folder.path(), "[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n")?;
    let pem = tls.certificate_authority_pem().ok_or("the service has no CA certificate")?;
    let over_tls = |session| Connector::tls(tls.address(), pem, session);
    let setting = |name, connector, keeps_alive| Setting { name, connector, keeps_alive };
    let settings = [
        setting("connections, no TLS", Connector::plain(plain.address()), false),
        setting("connections, full handshake", over_tls(Session::New)?, false),
        setting("connections, resumed", over_tls(Session::Resumed)?, false),
        setting("requests, no TLS", Connector::plain(plain.address()), true),
        setting("requests, TLS", over_tls(Session::New)?, true),
    ];
    let mut rates = vec![Vec::new(); settings.len()];
    for _ in 0..ROUNDS {
        for (setting, rates) in settings.iter().zip(&mut rates) {
            rates.push(saturated(setting)?);
        }
    }
    println!(
        "{CLIENTS} clients, plain requests of 32 bytes; the last column is the ratio to the same \
         without TLS"
    );
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    let [connections, .., requests, _] = medians[..] else {
        return Err("there are no settings".into());
    };
    for (setting, rate) in settings.iter().zip(&medians) {
        let without = if setting.keeps_alive { requests } else { connections };
        println!("{:<28}{rate:>8.0} per second  {:>6.3}", setting.name, rate / without);
    }
    let [full, resumed] = handshakes(&tls, pem)?;
    println!("handshakes in all rounds: {full:.0} full, {resumed:.0} resumed");
    match resumed > 0.0 && full > 0.0 {
        true => Ok(()),
        false => Err("expected both full and resumed handshakes".into()),
    }
}

fn simulator(folder: &Path, lines: &str) -> Result<Simulator, BoxError> {
    let path = folder.join("enclave.toml");
    // The setting uses the least entropy, so that the NSM does not limit the rate.
    let entropy = "[entropy]\nreseed = \"interval\"\n";
    fs::write(&path, [lines, entropy].concat())?;
    Ok(Simulator::builder().config_file(path).start()?)
}

/// Returns the connections or requests per second of clients that send the next request after each
/// response.
fn saturated(setting: &Setting) -> Result<f64, BoxError> {
    rate(CLIENTS, ROUND, |round| {
        // Each client has its own TLS sessions.
        let connector = setting.connector.for_one_client();
        let connect = || io::Result::Ok(KeepAliveClient::new(connector.connect()?, 32));
        let mut client = connect()?;
        while round.is_running() {
            client.request()?;
            round.count_one();
            if !setting.keeps_alive {
                client = connect()?;
            }
        }
        Ok(())
    })
}

/// Returns the number of full handshakes and of resumed handshakes since the start of the service.
fn handshakes(simulator: &Simulator, pem: &str) -> Result<[f64; 2], BoxError> {
    let connector = Connector::tls(simulator.address(), pem, Session::New)?;
    let metrics = connector.get("/metrics")?;
    let value = |outcome: &str| -> Result<f64, BoxError> {
        let name = format!("attested_random_tls_handshakes_total{{outcome=\"{outcome}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        Ok(value.ok_or("the service does not report the metric")?.parse()?)
    };
    Ok([value("full")?, value("resumed")?])
}
