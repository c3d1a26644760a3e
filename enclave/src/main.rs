//! The enclave binary. It uses the trust anchors of AWS, the Nitro Secure Module and the system clock.
//!
//! This file only connects components. It has no conditional compilation, so exactly this code runs in production.

use std::error::Error;
use std::process::ExitCode;

use attestation::TrustAnchors;
use enclave::config::{Config, ConfigBundle, EnclaveArguments, Profile};
use enclave::http::{self, PeerPolicy};
use enclave::init::{self, ProcessContext};
use enclave::platform::Nitro;
use enclave::{Service, configure_logging, egress};
use nsm_device::NsmDevice;
use transport::Endpoint;

/// The commit of the source, which the Makefile sets.
const COMMIT: Option<&str> = option_env!("ATTESTED_RANDOM_COMMIT");

fn main() -> ExitCode {
    init::run("enclave", COMMIT, run)
}

async fn run(arguments: EnclaveArguments, context: ProcessContext) -> Result<(), Box<dyn Error>> {
    let EnclaveArguments { common, config_from_parent } = arguments;
    let mut anchors = TrustAnchors::aws_nitro();
    let config = match config_from_parent {
        None => Config::load(common.config.as_deref())?,
        Some(port) => {
            let parent = Endpoint::Vsock { cid: context.parent_cid, port };
            Config::from_bundle(ConfigBundle::from_parent(&parent).await?)?
        }
    };
    let server = config.server(&common)?;
    if !common.print_config {
        configure_logging(&server)?;
    }
    config.add_anchors(&mut anchors)?;
    if common.print_config {
        return config.print(&server, Profile::Production);
    }
    let proxy_protocol = server.proxy_protocol;
    let peer_policy = PeerPolicy { parent_cid: Some(context.parent_cid), proxy_protocol };
    let settings = config.settings(Profile::Production)?.with_peer_policy(peer_policy);
    let nsm = NsmDevice::open()?;
    egress::open(settings.egress(), context.parent_cid).await?;
    let service =
        Service::start(Nitro, nsm, anchors, settings, context.audit(server.log_endpoint.as_ref()))
            .await?;
    http::listen_and_serve("enclave", &server.listeners, service).await
}
