//! The expected measurements of an enclave. The enclave must match every `--pcr` and every
//! `--pcrs-file`. It must also match all measurements of one `--any-of` file, if there is such an
//! option.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use attestation::{PcrFamily, PcrValue, Pcrs};

use super::super::bounded_read::read;
use super::super::error::CommandError;
use super::super::value_parsers::Pcr;
use super::measurements_file::parse_registers;

/// The expected measurements of an enclave.
#[derive(Debug, Default)]
pub(super) struct ExpectedMeasurements {
    /// The values of `--pcr` and `--pcrs-file`, which every enclave must have.
    common: Registers,
    /// The files of `--any-of`. An enclave must match all values of one of these sets. If the list
    /// is empty, no set is required.
    any_of: Vec<MeasurementSet>,
}

/// The measurements of one file of `--any-of`.
#[derive(Debug)]
struct MeasurementSet {
    path: PathBuf,
    registers: Registers,
}

#[derive(Debug, Default)]
struct Registers(BTreeMap<u8, PcrValue>);

impl ExpectedMeasurements {
    /// Reads the options `--pcr`, `--pcrs-file` and `--any-of`.
    pub(super) fn read(
        pcrs: &[Pcr],
        files: &[PathBuf],
        any_of: &[PathBuf],
    ) -> Result<Self, CommandError> {
        let mut common = Registers::default();
        for pcr in pcrs {
            common.add(pcr).map_err(|reason| CommandError::Usage(format!("--pcr: {reason}")))?;
        }
        for path in files {
            common.add_file(path)?;
        }
        let any_of = any_of.iter().map(|path| MeasurementSet::read(path, &common));
        Ok(Self { any_of: any_of.collect::<Result<_, _>>()?, common })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.common.0.is_empty() && self.any_of.is_empty()
    }

    /// Returns warnings about important measurements that no option compares.
    pub(super) fn warnings(&self) -> Vec<String> {
        if self.is_empty() {
            let text = "no measurement is compared: any enclave passes";
            return vec![text.to_owned()];
        }
        let mut warnings = Vec::new();
        let sets = self.any_of.iter().filter(|set| !set.registers.identify_image());
        let sets: Vec<_> = sets.map(|set| format!(" (--any-of {})", set.path.display())).collect();
        if !self.common.identify_image() && (self.any_of.is_empty() || !sets.is_empty()) {
            warnings.push(format!(
                "neither PCR0 (the image) nor PCR8 (its signer) is compared{}: an enclave of \
                 another owner can have the same other PCRs",
                sets.concat()
            ));
        }
        let set_indices = self.any_of.iter().flat_map(|set| set.registers.0.keys());
        let compared: BTreeSet<_> = set_indices.chain(self.common.0.keys()).collect();
        for MeasurementSet { path, registers } in &self.any_of {
            let has =
                |index: &u8| registers.0.contains_key(index) || self.common.0.contains_key(index);
            let missing = compared.iter().filter(|index| !has(index));
            let missing: Vec<_> = missing.map(|index| format!("PCR{index}")).collect();
            if !missing.is_empty() {
                warnings.push(format!(
                    "--any-of {}: has no {}, unlike another --any-of file: an enclave that \
                     matches this file passes with any value",
                    path.display(),
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
    pub(super) fn compare(&self, measured: Pcrs<'_>) -> Result<Option<&Path>, String> {
        if measured.family() != PcrFamily::NitroEnclave {
            return Err("the document comes from an instance with a NitroTPM, not from an enclave"
                .to_owned());
        }
        let mut differences = self.common.differences(measured);
        let mut sets = Vec::new();
        let mut matched = None;
        for MeasurementSet { path, registers } in &self.any_of {
            let set_differences = registers.differences(measured);
            match set_differences.is_empty() {
                true => matched = matched.or(Some(path.as_path())),
                false => sets.push(format!("{}: {}", path.display(), set_differences.join(", "))),
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

impl MeasurementSet {
    /// Reads the set in a file of `--any-of`. Rejects a value that contradicts `common`.
    fn read(path: &Path, common: &Registers) -> Result<Self, CommandError> {
        let mut registers = Registers::default();
        registers.add_file(path)?;
        let contradicts = |(index, value): &(&u8, &PcrValue)| {
            common.0.get(index).is_some_and(|common| common != *value)
        };
        match registers.0.iter().find(contradicts) {
            None => Ok(Self { path: path.to_owned(), registers }),
            Some((index, _)) => Err(CommandError::Content {
                path: path.to_owned(),
                reason: format!(
                    "PCR{index} has conflicting expected values: --pcr or --pcrs-file, which \
                     apply in addition to --any-of, contain another value"
                ),
            }),
        }
    }
}

impl Registers {
    fn add_file(&mut self, path: &Path) -> Result<(), CommandError> {
        let failed = |reason| CommandError::Content { path: path.to_owned(), reason };
        parse_registers(&read(path)?)
            .and_then(|pcrs| pcrs.iter().try_for_each(|pcr| self.add(pcr)))
            .map_err(failed)
    }

    fn add(&mut self, pcr: &Pcr) -> Result<(), String> {
        let Pcr { index, value } = pcr;
        if value.iter().all(|byte| *byte == 0) {
            return Err(format!(
                "PCR{index} is zero, as in debug mode or in an unsigned image: give the measured \
                 value, or omit the register"
            ));
        }
        match self.0.entry(*index) {
            Entry::Occupied(entry) if entry.get() != value => Err(format!(
                "PCR{index} has conflicting expected values: it was given before with another \
                 value"
            )),
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(entry) => {
                entry.insert(*value);
                Ok(())
            }
        }
    }

    /// Returns whether the registers include PCR0 (the image) or PCR8 (the image's signer). The
    /// owner of an instance can cause any value of the other registers.
    fn identify_image(&self) -> bool {
        self.0.contains_key(&0) || self.0.contains_key(&8)
    }

    /// Returns a description of each register that differs.
    fn differences(&self, measured: Pcrs<'_>) -> Vec<String> {
        let text = |value: &PcrValue| const_hex::encode(value);
        let difference = |(index, expected): (&u8, &PcrValue)| match measured.value((*index).into())
        {
            Some(value) if value == expected => None,
            Some(value) => Some(format!("PCR{index} is {}, not {}", text(value), text(expected))),
            None => Some(format!("PCR{index} is absent, not {}", text(expected))),
        };
        self.0.iter().filter_map(difference).collect()
    }
}
