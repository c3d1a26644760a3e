//! The enclave: AWS's trust anchors, the Nitro Secure Module, the system's clock. Wiring only, and
//! without a single switch: what is wired here is what runs in production.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use enclave::audit::Audit;
use enclave::config::{Arguments, Config, Posture};
use enclave::platform::Nitro;
use enclave::{Service, exit_with, init_log};
use shared::attestation::TrustAnchors;
use shared::nsm::NsmDevice;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_log();
    exit_with("enclave", run(arguments).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut anchors = TrustAnchors::aws_nitro();
    let config = Config::load(arguments.config.as_deref())?;
    config.add_anchors(&mut anchors)?;
    let settings = config.settings(Posture::Production)?;
    let audit = Audit::to(io::stdout())?;
    let service = Service::start(Nitro, NsmDevice::open()?, anchors, settings, audit).await?;
    enclave::http::listen_and_serve("enclave", &arguments.listen, service).await
}
