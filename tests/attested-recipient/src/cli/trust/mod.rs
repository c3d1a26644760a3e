//! The subcommand `trust`.

mod connection;
mod expected_measurements;
mod target;
mod verified_enclave;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use attestation::tls::certificate_pem;
use attested_recipient::unauthenticated_tls;
use clap::Args;
use rustls::ALL_VERSIONS;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout_at};

use self::expected_measurements::ExpectedMeasurements;
use self::target::Target;
use self::verified_enclave::{Requirements, VerifiedEnclave};
use super::atomic_file::AtomicFile;
use super::error::CommandError;
use super::expectations::ExpectationArgs;
use super::trust_error::{TrustError, exit_status_help};

/// Verify that the TLS connections to a URL end inside an enclave, and write the enclave's CA
/// certificate for clients to trust.
///
/// For each URL, the command opens one TLS connection and requests an attestation document for a new
/// nonce. The document must verify under AWS's root, contain the expected measurements, and attest the
/// certificate authority that issued the certificate of this connection. Clients must trust only the
/// written file: set AWS_CA_BUNDLE, or the client's setting that replaces its roots. Repeat the command
/// after a restart of an enclave, because the enclave then has a new authority.
///
/// The command prints one line per URL: the URL, the enclave's module_id, and the SHA-256 of the
/// authority's SubjectPublicKeyInfo. With --any-of, the line also contains the file whose
/// measurements match.
#[derive(Debug, Args)]
#[command(after_help = exit_status_help())]
pub(super) struct Trust {
    /// URL of an enclave, https://HOST[:PORT]; may be repeated. The command writes the certificates of
    /// all enclaves into one file.
    #[arg(value_name = "URL", required = true)]
    urls: Vec<Target>,
    #[command(flatten)]
    expectations: ExpectationArgs,
    /// Time limit for one URL.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    timeout: u64,
    /// File to write the CA certificates to, in PEM.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Trust {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let requirements = self.requirements()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let enclaves = self.verify_all(&requirements, &runtime);
        // The runtime must not wait for a pending DNS lookup, which would delay the exit.
        runtime.shutdown_background();
        let enclaves = enclaves?;
        let file = AtomicFile::write(&self.out, |out| out.write_all(bundle(&enclaves).as_bytes()))?;
        // The output is printed before the file is written, so that the write is the last step that
        // can fail.
        let mut stdout = io::stdout().lock();
        for (target, VerifiedEnclave { module_id, authority_digest, any_of, .. }) in &enclaves {
            let digest = const_hex::encode(authority_digest);
            write!(stdout, "{} {module_id} {digest}", target.url())?;
            match any_of {
                Some(path) => writeln!(stdout, " {path}")?,
                None => writeln!(stdout)?,
            }
        }
        stdout.flush()?;
        file.commit()
    }

    fn requirements(&self) -> Result<Requirements, CommandError> {
        let expected = ExpectedMeasurements::read(&self.expectations)?;
        if expected.is_empty() && !self.expectations.simulator {
            let reason = "no measurement is expected, so any enclave would pass: add --pcrs-file \
                          with the file that `make eif` writes, or --pcr 0=HEX";
            return Err(CommandError::Usage(reason.to_owned()));
        }
        expected.warnings().into_iter().try_for_each(warn)?;
        let anchors = self.expectations.anchors()?;
        let allow_simulator = self.expectations.simulator;
        let timeout = Duration::from_secs(self.timeout);
        Ok(Requirements { anchors, expected, allow_simulator, timeout })
    }

    /// Verifies every URL. Returns the enclaves, or the first rejection.
    fn verify_all(
        &self,
        requirements: &Requirements,
        runtime: &Runtime,
    ) -> Result<Vec<(&Target, VerifiedEnclave)>, CommandError> {
        self.urls
            .iter()
            .map(|target| {
                let enclave = self.verify(target, requirements, runtime);
                let enclave = enclave.map_err(|error| {
                    let url = target.url();
                    CommandError::Untrusted { url, error: Box::new(error) }
                })?;
                print_warnings(target, &enclave)?;
                Ok((target, enclave))
            })
            .collect()
    }

    fn verify(
        &self,
        target: &Target,
        requirements: &Requirements,
        runtime: &Runtime,
    ) -> Result<VerifiedEnclave, TrustError> {
        let tls = unauthenticated_tls(ALL_VERSIONS)
            .map_err(|error| TrustError::LocalResource(error.to_string()))?;
        let deadline = Instant::now() + requirements.timeout;
        let verified =
            async { timeout_at(deadline, requirements.verify(target, tls, deadline)).await };
        runtime.block_on(verified).unwrap_or(Err(TrustError::TimedOut(requirements.timeout)))
    }
}

/// Prints warnings that do not reject the enclave.
fn print_warnings(target: &Target, enclave: &VerifiedEnclave) -> Result<(), CommandError> {
    let url = target.url();
    if enclave.is_simulator {
        warn(format_args!(
            "{url}: THIS IS A SIMULATOR. IT SIGNS ANY DOCUMENT: NOTHING IS PROVED, and its \
             operator can read all data. Never give its certificate to a client in production."
        ))?;
    }
    if !enclave.is_valid_for_host {
        let host = target.host().to_str();
        warn(format_args!(
            "{url}: the enclave's certificate is not valid for {host}, so clients will reject it: \
             add \"{host}\" to names in [tls] of its configuration, or use a name that the \
             certificate has"
        ))?;
    }
    Ok(())
}

/// Prints a warning. Returns an error if the warning cannot be printed, so that no file is written
/// in that case.
fn warn(text: impl Display) -> Result<(), CommandError> {
    Ok(writeln!(io::stderr(), "attested-recipient: warning: {text}")?)
}

/// Returns the CA bundle. It contains each authority's certificate once. Comments before a
/// certificate contain the URLs of its enclaves.
fn bundle(enclaves: &[(&Target, VerifiedEnclave)]) -> String {
    let mut bundle = String::new();
    let mut seen = Vec::new();
    for (_, VerifiedEnclave { authority, .. }) in enclaves {
        if seen.contains(&authority) {
            continue;
        }
        seen.push(authority);
        for (target, same) in enclaves.iter().filter(|(_, other)| other.authority == *authority) {
            bundle.push_str(&format!("# {} {}\n", target.url(), same.module_id));
        }
        bundle.push_str(&certificate_pem(authority));
    }
    bundle
}
