//! Benchmark that compares the service with moto's server, which also implements GenerateRandom. Both
//! receive the same calls. Run `tests/peers/setup.sh` first to install moto.
//!
//! moto's server closes each connection after one response. The service is therefore also measured
//! with a new connection for each request.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use attested_recipient::Credentials;

use self::concurrent_clients::ConcurrentClients;
use self::figures::Figures;
use self::load::BoxError;
use self::process::Process;
use self::servers::{CacheLevel, Enclave, free_address, relay};

#[path = "../concurrent_clients/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod concurrent_clients;
#[path = "../figures/mod.rs"]
mod figures;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod process;
#[path = "../service/servers.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod servers;
#[path = "../service/signed_request.rs"]
mod signed_request;

const KEY: &str = include_str!("../../keys/rsa-2048.pem");
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);
const CLIENTS: usize = 32;

fn main() -> Result<(), BoxError> {
    let enclave = Enclave::start(&CacheLevel::None.to_toml(), &[])?;
    let relay = relay(enclave.address())?;
    let moto = moto()?;
    // moto requires a signature in the correct form. Neither moto nor the service verifies the
    // signature.
    let plain =
        signed_request::signed_request(&Credentials::new("AKIDEXAMPLE", "secret", "us-east-1"));
    let attested = enclave.attested_request(KEY)?;
    let client_groups = [
        ("moto_plain", ConcurrentClients::new(moto.address(), CLIENTS, &plain).reconnecting()),
        ("beside_moto_plain", ConcurrentClients::new(relay.address(), CLIENTS, &plain)),
        (
            "beside_moto_plain_reconnecting",
            ConcurrentClients::new(relay.address(), CLIENTS, &plain).reconnecting(),
        ),
        ("beside_moto_attested_cold", ConcurrentClients::new(relay.address(), CLIENTS, &attested)),
    ];
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for ((name, clients), rates) in client_groups.iter().zip(&mut rates) {
            let result = clients.run_for(ROUND)?;
            if result.succeeded == 0 || result.rejected > 0 {
                return Err(format!("{name}: {} requests were rejected", result.rejected).into());
            }
            rates.push(result.rate());
        }
    }
    let mut figures = Figures::default();
    for ((name, _), rates) in client_groups.iter().zip(&rates) {
        figures.add(name, "requests/s", rates.iter().copied())?;
    }
    let [moto, plain, reconnecting, attested] = &rates;
    figures.add_ratio("plain_vs_moto", plain, moto)?;
    figures.add_ratio("plain_reconnecting_vs_moto", reconnecting, moto)?;
    figures.add_ratio("attested_cold_vs_moto_plain", attested, moto)?;
    figures.publish()
}

/// Starts moto's server as its documentation describes.
fn moto() -> Result<Process, BoxError> {
    let address = free_address()?;
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("peers")
        .join("venv/bin/moto_server");
    if !program.is_file() {
        return Err("moto is missing: run tests/peers/setup.sh".into());
    }
    let mut command = Command::new(program);
    command.args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
    Process::spawn_listening(command.stderr(Stdio::null()), address)
}
