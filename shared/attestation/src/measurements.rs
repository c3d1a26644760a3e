//! The measurements that a client expects of an enclave.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::hex::Hex;
use crate::pcr::{PcrFamily, PcrValue, Pcrs};
use crate::time::UnixMillis;

/// The registers that every set contains: PCR0 identifies the image, and PCR16 the configuration.
const REQUIRED: [u8; 2] = [0, 16];

/// One acceptable set of measurements. An enclave must match all of its registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasurementSet {
    name: String,
    registers: BTreeMap<u8, PcrValue>,
    not_after: Option<UnixMillis>,
}

/// The acceptable sets of measurements. There is at least one set, and every set identifies image and
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasurementSets(Vec<MeasurementSet>);

/// The reason why sets of measurements are unusable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidMeasurements {
    /// There is no set.
    #[error("no measurement is expected, so any enclave would pass: give PCR0 and PCR16")]
    NoSet,
    /// A set lacks a register.
    #[error(
        "{name}: no value of PCR{index}: a set needs PCR0, which identifies the image, and PCR16, \
         which identifies the configuration; other registers replace neither"
    )]
    MissingRegister {
        /// The name of the set.
        name: String,
        /// The index of the register.
        index: u8,
    },
    /// A register is zero.
    #[error(
        "{name}: PCR{index} is zero, as in debug mode or in an unsigned image: give the measured \
         value, or omit the register"
    )]
    ZeroRegister {
        /// The name of the set.
        name: String,
        /// The index of the register.
        index: u8,
    },
}

/// The registers of a document match no set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the enclave matches no expected set of measurements: {0}")]
pub struct MeasurementMismatch(String);

impl MeasurementSet {
    /// Creates a set. `name` names it in errors, such as the name of its file.
    pub fn new(name: impl Into<String>, registers: BTreeMap<u8, PcrValue>) -> Self {
        Self { name: name.into(), registers, not_after: None }
    }

    /// Rejects enclaves after `not_after`, and receipts with a later time.
    #[must_use]
    pub fn with_not_after(self, not_after: Option<UnixMillis>) -> Self {
        Self { not_after, ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the last time of a receipt of this set.
    pub const fn not_after(&self) -> Option<UnixMillis> {
        self.not_after
    }

    /// Returns the expected registers by index.
    pub const fn registers(&self) -> &BTreeMap<u8, PcrValue> {
        &self.registers
    }

    fn ends_after(&self, other: &Self) -> bool {
        match (self.not_after, other.not_after) {
            (Some(end), Some(other_end)) => end > other_end,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    fn check(&self) -> Result<(), InvalidMeasurements> {
        let Self { name, registers, .. } = self;
        if let Some(&index) = REQUIRED.iter().find(|index| !registers.contains_key(index)) {
            return Err(InvalidMeasurements::MissingRegister { name: name.clone(), index });
        }
        let is_zero = |value: &PcrValue| value.iter().all(|byte| *byte == 0);
        match registers.iter().find(|(_, value)| is_zero(value)) {
            None => Ok(()),
            Some((&index, _)) => {
                Err(InvalidMeasurements::ZeroRegister { name: name.clone(), index })
            }
        }
    }

    /// Returns a description of each register that differs.
    pub fn differences(&self, measured: Pcrs<'_>) -> Vec<String> {
        let difference = |(index, expected): (&u8, &PcrValue)| {
            let expected_text = Hex(expected);
            match measured.value((*index).into()) {
                Some(value) if value == expected => None,
                Some(value) => Some(format!("PCR{index} is {}, not {expected_text}", Hex(value))),
                None => Some(format!("PCR{index} is absent, not {expected_text}")),
            }
        };
        self.registers.iter().filter_map(difference).collect()
    }
}

impl MeasurementSets {
    /// Creates the sets.
    ///
    /// # Errors
    /// If there is no set, or if a set lacks PCR0 or PCR16, or has a register that is zero.
    pub fn new(sets: Vec<MeasurementSet>) -> Result<Self, InvalidMeasurements> {
        if sets.is_empty() {
            return Err(InvalidMeasurements::NoSet);
        }
        sets.iter().try_for_each(MeasurementSet::check)?;
        Ok(Self(sets))
    }

    /// Returns the set that `measured` matches completely. If there are several, returns the first of those that
    /// end last.
    ///
    /// # Errors
    /// If there is none, or if `measured` are the registers of a NitroTPM. The error lists the differing registers of
    /// each set.
    pub fn find_match(&self, measured: Pcrs<'_>) -> Result<&MeasurementSet, MeasurementMismatch> {
        // An index has another meaning in the other family.
        if measured.family() != PcrFamily::NitroEnclave {
            let text = "the registers are those of a NitroTPM, not of an enclave";
            return Err(MeasurementMismatch(text.to_owned()));
        }
        let (mut found, mut mismatches) = (None, Vec::new());
        for set in &self.0 {
            let differences = set.differences(measured);
            if !differences.is_empty() {
                mismatches.push(format!("{}: {}", set.name, differences.join(", ")));
            } else if found.is_none_or(|found| set.ends_after(found)) {
                found = Some(set);
            }
        }
        found.ok_or_else(|| MeasurementMismatch(mismatches.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, indexes: &[u8]) -> MeasurementSet {
        MeasurementSet::new(name, indexes.iter().map(|index| (*index, [index + 1; 48])).collect())
    }

    #[test]
    fn sets_need_pcr0_and_pcr16() {
        assert_eq!(MeasurementSets::new(Vec::new()), Err(InvalidMeasurements::NoSet));
        let missing =
            |index| Err(InvalidMeasurements::MissingRegister { name: "b".to_owned(), index });
        for (indexes, error) in
            [(&[8][..], missing(0)), (&[0, 8], missing(16)), (&[16], missing(0)), (&[], missing(0))]
        {
            let sets = MeasurementSets::new(vec![set("a", &[0, 16]), set("b", indexes)]);
            assert_eq!(sets, error, "{indexes:?}");
        }
        assert!(MeasurementSets::new(vec![set("a", &[0, 1, 2, 3, 4, 8, 16])]).is_ok());
        let mut zero = set("a", &[0, 16]);
        zero.registers.insert(3, [0; 48]);
        let error = InvalidMeasurements::ZeroRegister { name: "a".to_owned(), index: 3 };
        assert_eq!(MeasurementSets::new(vec![zero]), Err(error));
    }
}
