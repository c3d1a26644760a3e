//! The options for the measurements and the root that a subcommand expects of an enclave.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attestation::{MeasurementSet, MeasurementSets, Production, TrustAnchors};
use attested_recipient::{Expectations, Measurements};
use clap::Args;

use super::bounded_read::read;
use super::error::{CommandError, anchor_error};
use super::value_parsers::Pcr;

/// The options `--pcr`, `--pcrs-file`, `--any-of`, `--root` and `--simulator`.
#[derive(Clone, Debug, Args)]
pub(super) struct ExpectationArgs {
    /// Expected value of a PCR of every enclave, 48 bytes; may be repeated.
    #[arg(long, value_name = "N=HEX")]
    pub(super) pcr: Vec<Pcr>,
    /// File with expected measurements, as `make eif`, `nitro-cli` and `config-pcr` write it; may be
    /// repeated.
    #[arg(long, value_name = "JSON")]
    pub(super) pcrs_file: Vec<PathBuf>,
    /// File with expected measurements, in the form of --pcrs-file; may be repeated. An enclave must
    /// match all measurements of one of these files. It must also match every --pcr and --pcrs-file.
    #[arg(long, value_name = "JSON")]
    pub(super) any_of: Vec<PathBuf>,
    /// Trust anchor in addition to AWS's root; may be repeated.
    #[arg(long, value_name = "PEM")]
    pub(super) root: Vec<PathBuf>,
    /// Accept simulators, for tests only. A document of a simulator proves nothing.
    #[arg(long)]
    pub(super) simulator: bool,
}

impl ExpectationArgs {
    /// Reads the expectations. Each set of measurements is one file of `--any-of`, or none, together with every
    /// `--pcrs-file` and `--pcr`. It contains PCR0 and PCR16. If `--simulator` is given, this function prints a
    /// warning.
    pub(super) fn expectations(&self) -> Result<Expectations, CommandError> {
        let expectations = match (self.sets()?, self.simulator) {
            (Some(sets), false) => Expectations::new(sets),
            (Some(sets), true) => {
                warn_of_simulator(
                    "--simulator",
                    "simulators, which sign documents with any measurements",
                )?;
                Expectations::new(sets).accept_simulators()
            }
            (None, true) => {
                warn_of_simulator(
                    "--simulator without measurements",
                    "any simulator, which signs any document",
                )?;
                Expectations::simulator()
            }
            (None, false) => {
                let reason = "no measurement is expected, so any enclave would pass: add \
                              --pcrs-file with the file that `make eif` writes (PCR0), and \
                              --pcrs-file with the output of `attested-recipient config-pcr` \
                              (PCR16); in tests, accept a simulator with --simulator";
                return Err(CommandError::Usage(reason.to_owned()));
            }
        };
        Ok(expectations.with_anchors(self.anchors()?))
    }

    /// Returns the measurements of `--pcr` and `--pcrs-file`.
    pub(super) fn common_measurements(&self) -> Result<Measurements, CommandError> {
        let mut common = Measurements::default();
        for Pcr { index, value } in &self.pcr {
            common
                .add_register(*index, *value)
                .map_err(|reason| CommandError::Usage(format!("--pcr: {reason}")))?;
        }
        for path in &self.pcrs_file {
            add(&mut common, path, &read_measurements(path)?)?;
        }
        Ok(common)
    }

    /// Returns AWS's root and the roots of `--root`.
    pub(super) fn anchors(&self) -> Result<TrustAnchors<Production>, CommandError> {
        let mut anchors = TrustAnchors::aws_nitro();
        for path in &self.root {
            anchors.add_pem(&read(path)?).map_err(|error| anchor_error(path, &error))?;
        }
        Ok(anchors)
    }

    /// Returns the sets, or `None` if no option contains a measurement.
    fn sets(&self) -> Result<Option<MeasurementSets>, CommandError> {
        let common = self.common_measurements()?;
        let sets = match &self.any_of[..] {
            [] if common.registers().is_empty() => return Ok(None),
            [] => vec![common.into_set(self.common_name())],
            files => files.iter().map(|path| set(path, &common)).collect::<Result<_, _>>()?,
        };
        let sets = MeasurementSets::new(sets);
        sets.map(Some).map_err(|error| CommandError::Usage(error.to_string()))
    }

    /// Returns the name of the set of `--pcr` and `--pcrs-file`.
    fn common_name(&self) -> String {
        match &self.pcrs_file[..] {
            [] => "--pcr".to_owned(),
            files => {
                let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
                files.join(" + ")
            }
        }
    }
}

/// Reads a file of `--pcrs-file` or `--any-of`.
pub(super) fn read_measurements(path: &Path) -> Result<Measurements, CommandError> {
    Measurements::from_json(&read(path)?)
        .map_err(|error| CommandError::Content { path: path.to_owned(), reason: error.to_string() })
}

/// Returns the set of a file of `--any-of`.
fn set(path: &Path, common: &Measurements) -> Result<MeasurementSet, CommandError> {
    let mut measurements = common.clone();
    add(&mut measurements, path, &read_measurements(path)?)?;
    Ok(measurements.into_set(path.display().to_string()))
}

/// Adds the measurements of the file `path`.
fn add(sum: &mut Measurements, path: &Path, file: &Measurements) -> Result<(), CommandError> {
    sum.add(file)
        .map_err(|error| CommandError::Content { path: path.to_owned(), reason: error.to_string() })
}

/// Warns that `--simulator` accepts `what`.
fn warn_of_simulator(option: &str, what: &str) -> io::Result<()> {
    writeln!(
        io::stderr(),
        "attested-recipient: warning: {option} accepts {what}: NOTHING IS PROVED"
    )
}
