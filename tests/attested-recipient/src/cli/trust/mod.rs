//! `attested-recipient trust`.

mod attested;
mod connection;
mod expected;
mod measurements;
mod target;
mod verifier;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use attestation::TrustAnchors;
use attestation::tls::certificate_pem;
use clap::Args;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout_at};

use self::attested::{Attested, Demands};
use self::expected::Expected;
use self::target::Target;
use self::verifier::unauthenticated_tls;
use super::draft::Draft;
use super::failure::{Failure, anchor_failure};
use super::files::read;
use super::refusal::{self, Refusal};
use super::values::Pcr;

/// Verify that TLS ends inside an enclave, and write its certificate authority for clients to trust.
///
/// Each URL's enclave is asked, on one TLS connection, for an attestation document with a fresh nonce.
/// It must verify under AWS's root, hold the expected measurements, and attest the authority that
/// issued the certificate of that very connection. Give the file to clients as AWS_CA_BUNDLE, or as what
/// else replaces their roots; an enclave that restarts has another authority.
///
/// Prints one line a URL: the URL, the enclave's module_id, the SHA-256 of the authority's
/// SubjectPublicKeyInfo, and with --any-of the file whose measurements the enclave holds.
#[derive(Debug, Args)]
#[command(after_help = refusal::help())]
pub(super) struct Trust {
    /// An enclave, https://HOST[:PORT]; several are written into one bundle.
    #[arg(value_name = "URL", required = true)]
    urls: Vec<Target>,
    /// A measurement that every enclave must hold, 48 bytes; may be repeated.
    #[arg(long, value_name = "N=HEX")]
    pcr: Vec<Pcr>,
    /// A file of measurements, as `make eif`, `nitro-cli` and `config-pcr` write them; may be repeated.
    #[arg(long, value_name = "JSON")]
    pcrs_file: Vec<PathBuf>,
    /// A file of measurements, as for --pcrs-file; may be repeated. An enclave must hold one such file
    /// entirely, and every --pcr and --pcrs-file besides.
    #[arg(long, value_name = "JSON")]
    any_of: Vec<PathBuf>,
    /// A further trust anchor beside AWS's root; may be repeated.
    #[arg(long, value_name = "PEM")]
    root: Vec<PathBuf>,
    /// Admit simulators, which prove nothing: for tests alone.
    #[arg(long)]
    simulator: bool,
    /// How long one URL may take.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    timeout: u64,
    /// Where to write the certificates, PEM.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Trust {
    pub(super) fn run(self) -> Result<(), Failure> {
        let demands = self.demands()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let attested = self.judge_all(&demands, &runtime);
        // A name that is still being looked up would be waited for.
        runtime.shutdown_background();
        let attested = attested?;
        let draft = Draft::write(&self.out, |out| out.write_all(bundle(&attested).as_bytes()))?;
        // What cannot be said is not done: the file is the last thing that can fail.
        let mut stdout = io::stdout().lock();
        for (target, Attested { module_id, binding, any_of, .. }) in &attested {
            let digest = const_hex::encode(binding.digest());
            write!(stdout, "{} {module_id} {digest}", target.url())?;
            match any_of {
                Some(path) => writeln!(stdout, " {}", path.display())?,
                None => writeln!(stdout)?,
            }
        }
        stdout.flush()?;
        draft.publish()
    }

    fn demands(&self) -> Result<Demands, Failure> {
        let expected = Expected::read(&self.pcr, &self.pcrs_file, &self.any_of)?;
        if expected.is_empty() && !self.simulator {
            let reason = "without a measurement, any enclave of anybody would pass: write --pcrs-file \
                          with what `make eif` wrote, or --pcr 0=HEX";
            return Err(Failure::Usage(reason.to_owned()));
        }
        expected.warnings().into_iter().try_for_each(warn)?;
        let mut anchors = TrustAnchors::aws_nitro();
        for path in &self.root {
            anchors.add_pem(&read(path)?).map_err(|error| anchor_failure(path, &error))?;
        }
        let (admits_simulator, limit) = (self.simulator, Duration::from_secs(self.timeout));
        Ok(Demands { anchors, expected, admits_simulator, limit })
    }

    /// All of them, or the first refusal.
    fn judge_all(
        &self,
        demands: &Demands,
        runtime: &Runtime,
    ) -> Result<Vec<(&Target, Attested)>, Failure> {
        self.urls
            .iter()
            .map(|target| {
                let attested = self.judge(target, demands, runtime);
                let attested = attested.map_err(|refusal| {
                    let url = target.url();
                    Failure::Untrusted { url, refusal: Box::new(refusal) }
                })?;
                warn_of(target, &attested)?;
                Ok((target, attested))
            })
            .collect()
    }

    fn judge(
        &self,
        target: &Target,
        demands: &Demands,
        runtime: &Runtime,
    ) -> Result<Attested, Refusal> {
        let tls = unauthenticated_tls().map_err(|error| Refusal::Local(error.to_string()))?;
        let deadline = Instant::now() + demands.limit;
        let judged = async { timeout_at(deadline, demands.judge(target, tls, deadline)).await };
        runtime.block_on(judged).unwrap_or(Err(Refusal::Deadline(demands.limit)))
    }
}

/// What does not refuse, but should be known.
fn warn_of(target: &Target, attested: &Attested) -> Result<(), Failure> {
    let url = target.url();
    if attested.is_simulator {
        warn(format_args!(
            "{url}: THIS IS A SIMULATOR. IT SIGNS WHATEVER IT IS ASKED TO: NOTHING IS PROVED, and \
             whoever runs it reads everything. Never give its certificate to a client in production."
        ))?;
    }
    if !attested.is_for_host {
        let host = target.host().to_str();
        warn(format_args!(
            "{url}: the enclave's certificate is not for {host}: clients will refuse it there; add \
             \"{host}\" to names in [tls] of its configuration, or use a name that is"
        ))?;
    }
    Ok(())
}

/// A warning that nobody can read is none: nothing is written then.
fn warn(text: impl Display) -> Result<(), Failure> {
    Ok(writeln!(io::stderr(), "attested-recipient: warning: {text}")?)
}

/// Each authority's certificate once, behind the URLs that it is for.
fn bundle(attested: &[(&Target, Attested)]) -> String {
    let mut bundle = String::new();
    let mut seen = Vec::new();
    for (_, Attested { authority, .. }) in attested {
        if seen.contains(&authority) {
            continue;
        }
        seen.push(authority);
        for (target, same) in attested.iter().filter(|(_, other)| other.authority == *authority) {
            bundle.push_str(&format!("# {} {}\n", target.url(), same.module_id));
        }
        bundle.push_str(&certificate_pem(authority));
    }
    bundle
}
