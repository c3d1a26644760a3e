//! The enclave: AWS's trust anchors, the Nitro Secure Module, the system's clock. Wiring only, and
//! without a single switch: what is wired here is what runs in production.

use std::error::Error;
use std::process::ExitCode;

use enclave::config::{Config, EnclaveArguments, Files, Posture};
use enclave::http::{self, Entrance};
use enclave::init::{self, Place};
use enclave::platform::Nitro;
use enclave::{Service, egress};
use shared::attestation::TrustAnchors;
use shared::nsm::NsmDevice;
use shared::transport::Endpoint;

fn main() -> ExitCode {
    init::run("enclave", run)
}

async fn run(arguments: EnclaveArguments, place: Place) -> Result<(), Box<dyn Error>> {
    let EnclaveArguments { common, config_from_parent } = arguments;
    let mut anchors = TrustAnchors::aws_nitro();
    let config = match config_from_parent {
        None => Config::load(common.config.as_deref())?,
        Some(port) => {
            let parent = Endpoint::Vsock { cid: place.parent_cid, port };
            Config::of(Files::from_parent(&parent).await?)?
        }
    };
    config.add_anchors(&mut anchors)?;
    let entrance =
        Entrance { parent_cid: Some(place.parent_cid), proxy_protocol: common.proxy_protocol };
    let settings = config.settings(Posture::Production)?.through(entrance);
    let nsm = NsmDevice::open()?;
    egress::open(&settings, place.parent_cid).await?;
    let service = Service::start(Nitro, nsm, anchors, settings, place.audit()?).await?;
    http::listen_and_serve("enclave", &common, service).await
}
