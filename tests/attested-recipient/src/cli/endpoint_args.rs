use std::path::PathBuf;

use attested_recipient::{Client, ClientError, Expectations};
use clap::Args;

use super::bounded_read::read;
use super::error::CommandError;

/// The options for the endpoint and its CA certificates.
#[derive(Debug, Args)]
pub(super) struct EndpointArgs {
    /// URL of the service, such as http://127.0.0.1:8000 or https://127.0.0.1:8443.
    #[arg(long, value_name = "URL", value_parser = super::value_parsers::endpoint)]
    endpoint: String,
    /// CA certificates to trust for https, as `attested-recipient trust` writes them. Without this option, TLS
    /// must end at the key that the enclave attests.
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
}

impl EndpointArgs {
    /// Returns a client that accepts only an enclave that meets `expectations`.
    pub(super) fn client(&self, expectations: Expectations) -> Result<Client, CommandError> {
        let client = Client::new(&self.endpoint, expectations).map_err(usage)?;
        let Some(path) = &self.ca else { return Ok(client) };
        client.with_ca_certificates(&read(path)?).map_err(|error| match error {
            ClientError::InvalidAuthority(_) => {
                CommandError::Content { path: path.clone(), reason: error.to_string() }
            }
            error => usage(error),
        })
    }
}

/// Returns the error of options that contradict each other, or of a URL.
fn usage(error: ClientError) -> CommandError {
    match error {
        ClientError::InvalidUrl { .. } => CommandError::Usage(error.to_string()),
        ClientError::AuthorityWithoutTls { .. } => CommandError::Usage(
            "--ca requires an https endpoint: write https://HOST:PORT".to_owned(),
        ),
        error => error.into(),
    }
}
