//! The whole service behind its relay, over HTTP, beside a server that only answers.
//!
//! Rounds are interleaved, and figures are to be compared within one run: machines are noisy.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use self::crowd::{Crowd, generate_random};
use self::figures::Figures;
use self::load::Failure;
use self::process::{Process, binary};

#[path = "../bare/mod.rs"]
mod bare;
#[path = "../crowd/mod.rs"]
mod crowd;
#[path = "../figures/mod.rs"]
mod figures;
#[path = "../load/mod.rs"]
mod load;
#[path = "../process/mod.rs"]
mod process;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);
const CLIENTS: usize = 32;

fn main() -> Result<(), Failure> {
    if bare::is_to_be_served() {
        return bare::serve();
    }
    let mut figures = Figures::default();
    plain(&mut figures)?;
    figures.publish()
}

fn plain(figures: &mut Figures) -> Result<(), Failure> {
    let (enclave, bare) = (simulator()?, bare::start()?);
    let relays = [relay(enclave.address())?, relay(bare.address())?];
    let request = generate_random(r#"{"NumberOfBytes":32}"#);
    let [mut ours, mut floor] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (relay, rates) in relays.iter().zip([&mut ours, &mut floor]) {
            rates.push(Crowd::new(relay.address(), CLIENTS, &request).ask_for(ROUND)?.rate());
        }
    }
    figures.add("plain_c32", "requests/s", ours.iter().copied())?;
    figures.add("bare_hyper_c32", "requests/s", floor.iter().copied())?;
    figures.add_ratio("plain_vs_bare_hyper", &ours, &floor)?;
    Ok(())
}

fn simulator() -> Result<Process, Failure> {
    let mut command = Command::new(binary("enclave-simulator")?);
    Process::announced(command.args(["--listen", "127.0.0.1:0"]))
}

fn relay(upstream: SocketAddr) -> Result<Process, Failure> {
    let mut command = Command::new(binary("parent-proxy")?);
    let upstream = upstream.to_string();
    Process::announced(command.args(["--listen", "127.0.0.1:0", "--upstream", &upstream]))
}
