//! The enclave simulator. It runs the same service on ordinary hardware, with a simulated root certificate.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use attestation::TrustAnchors;
use clap::Parser;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::{Arguments, Config, Profile};
use enclave::http::PeerPolicy;
use enclave::platform::Simulated;
use enclave::{Service, configure_logging, init_logging, report_exit};
use simulator::{FaultInjection, FaultTrigger, Root, SimulatedNsm, SimulatedPki, load_or_create};
use transport::parse_command_line;

/// A simulated enclave for development. Never trust its attestation documents.
#[derive(Debug, Parser)]
#[command(name = "enclave-simulator", version)]
struct SimulatorArguments {
    #[command(flatten)]
    common: Arguments,
    /// Keep the simulated root in FILE (mode 0600) and share it with other simulators.
    #[arg(long, value_name = "FILE")]
    simulator_state: Option<PathBuf>,
}

/// The commit of the source, which the Makefile sets.
const COMMIT: Option<&str> = option_env!("ATTESTED_RANDOM_COMMIT");

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: SimulatorArguments = parse_command_line(COMMIT);
    init_logging(&arguments.common);
    report_exit("enclave-simulator", run(arguments).await)
}

async fn run(arguments: SimulatorArguments) -> Result<(), Box<dyn std::error::Error>> {
    let root = match &arguments.simulator_state {
        Some(path) => load_or_create(path)?,
        None => Root::generate()?,
    };
    let pki = Arc::new(SimulatedPki::with_root(root, Arc::new(|| SystemClock.now()))?);
    let mut anchors = TrustAnchors::simulator_root(pki.root_certificate());
    let config = Config::load(arguments.common.config.as_deref())?;
    let server = config.server(&arguments.common)?;
    if !arguments.common.print_config {
        configure_logging(&server)?;
    }
    config.add_anchors(&mut anchors)?;
    if arguments.common.print_config {
        return config.print(&server, Profile::Development);
    }
    let faults = config.simulated_nsm()?;
    let image = config.simulated_image();
    let peer_policy = PeerPolicy { parent_cid: None, proxy_protocol: server.proxy_protocol };
    let settings = config.settings(Profile::Development)?.with_peer_policy(peer_policy);
    tracing::warn!("simulator: signs any attestation document for every client that can connect");
    if faults != FaultInjection::default() {
        let latency_seconds = faults.latency.as_secs_f64();
        // The name of the fault is written as in the configuration.
        let fault = faults.fault.map(|(fault, _)| format!("{fault:?}").to_lowercase());
        let after = match faults.fault {
            Some((_, FaultTrigger::AfterReady { calls })) => Some(calls),
            _ => None,
        };
        tracing::warn!(
            latency_seconds,
            fault,
            after,
            "[simulator.nsm] configures a slow or faulty NSM"
        );
    }
    let mut nsm = SimulatedNsm::with_faults(faults, Arc::clone(&pki));
    if let Some(image) = image {
        nsm = nsm.with_image(&image);
    }
    let platform = Simulated::new(pki, SystemClock, nsm.readiness());
    let audit = Audit::to_endpoint_or_stdout(server.log_endpoint.as_ref());
    let service = Service::start(platform, nsm, anchors, settings, audit).await?;
    enclave::http::listen_and_serve("enclave-simulator", &server.listeners, service).await
}
