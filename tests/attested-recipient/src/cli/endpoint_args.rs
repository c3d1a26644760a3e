use std::path::PathBuf;

use attested_recipient::Client;
use clap::Args;

use super::bounded_read::read;
use super::error::CommandError;

/// The options for the endpoint and its CA certificates.
#[derive(Debug, Args)]
pub(super) struct EndpointArgs {
    /// URL of the service, such as http://127.0.0.1:8000, or https://127.0.0.1:8443 with --ca.
    #[arg(long, value_name = "URL", value_parser = super::value_parsers::endpoint)]
    endpoint: String,
    /// CA certificates to trust, as `attested-recipient trust` writes them.
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
}

impl EndpointArgs {
    pub(super) fn client(&self) -> Result<Client, CommandError> {
        let Self { endpoint, ca } = self;
        let client = Client::new(endpoint);
        match (ca, endpoint.starts_with("https://")) {
            (None, false) => Ok(client),
            (Some(path), true) => client.with_ca_certificates(&read(path)?).map_err(|error| {
                CommandError::Content { path: path.clone(), reason: error.to_string() }
            }),
            (None, true) => Err(CommandError::Usage(format!(
                "https requires --ca, the enclave's CA certificate: create the file with \
                 `attested-recipient trust {endpoint} --pcrs-file pcrs.json --out enclave-ca.pem`"
            ))),
            (Some(_), false) => Err(CommandError::Usage(
                "--ca requires an https endpoint: write https://HOST:PORT".to_owned(),
            )),
        }
    }
}
