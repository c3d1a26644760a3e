//! The expected measurements of an enclave. The enclave must match every `--pcr` and every
//! `--pcrs-file`. It must also match all measurements of one `--any-of` file, if there is such an
//! option.

use std::collections::BTreeSet;

use attestation::time::UnixMillis;
use attestation::{MeasurementSet, PcrFamily, PcrValue, Pcrs};

use super::super::error::CommandError;
use super::super::expectations::{ExpectationArgs, read_measurements};

/// The expected measurements of an enclave.
#[derive(Debug)]
pub(super) struct ExpectedMeasurements {
    /// The values of `--pcr` and `--pcrs-file`, which every enclave must have.
    common: MeasurementSet,
    /// The files of `--any-of`. An enclave must match all values of one of these sets. If the list
    /// is empty, no set is required.
    any_of: Vec<MeasurementSet>,
}

impl ExpectedMeasurements {
    /// Reads the options `--pcr`, `--pcrs-file` and `--any-of`.
    pub(super) fn read(arguments: &ExpectationArgs) -> Result<Self, CommandError> {
        let common = arguments.common_measurements()?.into_set("--pcr and --pcrs-file");
        let mut any_of = Vec::new();
        for path in &arguments.any_of {
            let set = read_measurements(path)?.into_set(path.display().to_string());
            check_agreement(&set, &common)
                .map_err(|reason| CommandError::Content { path: path.clone(), reason })?;
            any_of.push(set);
        }
        Ok(Self { common, any_of })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.common.registers().is_empty() && self.any_of.is_empty()
    }

    /// Returns warnings about important measurements that no option compares.
    pub(super) fn warnings(&self) -> Vec<String> {
        if self.is_empty() {
            let text = "no measurement is compared: any enclave passes";
            return vec![text.to_owned()];
        }
        let mut warnings = Vec::new();
        let sets = self.any_of.iter().filter(|set| !identifies_image(set));
        let sets: Vec<_> = sets.map(|set| format!(" (--any-of {})", set.name())).collect();
        if !identifies_image(&self.common) && (self.any_of.is_empty() || !sets.is_empty()) {
            warnings.push(format!(
                "neither PCR0 (the image) nor PCR8 (its signer) is compared{}: an enclave of \
                 another owner can have the same other PCRs",
                sets.concat()
            ));
        }
        let common = self.common.registers();
        let set_indices = self.any_of.iter().flat_map(|set| set.registers().keys());
        let compared: BTreeSet<_> = set_indices.chain(common.keys()).collect();
        for set in &self.any_of {
            let has =
                |index: &u8| set.registers().contains_key(index) || common.contains_key(index);
            let missing = compared.iter().filter(|index| !has(index));
            let missing: Vec<_> = missing.map(|index| format!("PCR{index}")).collect();
            if !missing.is_empty() {
                warnings.push(format!(
                    "--any-of {}: has no {}, unlike another --any-of file: an enclave that \
                     matches this file passes with any value",
                    set.name(),
                    missing.join(", ")
                ));
            }
        }
        warnings
    }

    /// Compares the measurements of a document. Returns the file of `--any-of` that matches. Returns
    /// `None` if there is no such option.
    ///
    /// # Errors
    /// Returns all differences, grouped by set.
    pub(super) fn compare(
        &self,
        measured: Pcrs<'_>,
        now: UnixMillis,
    ) -> Result<Option<&str>, String> {
        if measured.family() != PcrFamily::NitroEnclave {
            return Err("the document comes from an instance with a NitroTPM, not from an enclave"
                .to_owned());
        }
        let mut differences = differences(&self.common, measured, now);
        let mut sets = Vec::new();
        let mut matched = None;
        for set in &self.any_of {
            let set_differences = self::differences(set, measured, now);
            match set_differences.is_empty() {
                true => matched = matched.or(Some(set.name())),
                false => sets.push(format!("{}: {}", set.name(), set_differences.join(", "))),
            }
        }
        if matched.is_none() && !sets.is_empty() {
            differences.push(format!("the enclave matches no --any-of file: {}", sets.join("; ")));
        }
        match differences.is_empty() {
            true => Ok(matched),
            false => Err(differences.join(", ")),
        }
    }
}

/// Rejects a set that contradicts the registers in `common`.
fn check_agreement(set: &MeasurementSet, common: &MeasurementSet) -> Result<(), String> {
    let contradicts = |(index, value): &(&u8, &PcrValue)| {
        common.registers().get(index).is_some_and(|common| common != *value)
    };
    match set.registers().iter().find(contradicts) {
        None => Ok(()),
        Some((index, _)) => Err(format!(
            "PCR{index} has conflicting expected values: --pcr or --pcrs-file, which apply in \
             addition to --any-of, contain another value"
        )),
    }
}

/// Returns whether the registers include PCR0 (the image) or PCR8 (the image's signer). The owner of
/// an instance can cause any value of the other registers.
fn identifies_image(set: &MeasurementSet) -> bool {
    set.registers().contains_key(&0) || set.registers().contains_key(&8)
}

/// Returns a description of each register that differs. Adds a description if the set has ended.
fn differences(set: &MeasurementSet, measured: Pcrs<'_>, now: UnixMillis) -> Vec<String> {
    let mut differences = set.differences(measured);
    if let Some(end) = set.not_after().filter(|end| now > *end) {
        differences.push(format!("the expected values are valid until {end} (not_after) only"));
    }
    differences
}
