//! Platform configuration registers: the measurements a document attests.

use std::ops::Range;

/// Bytes of one register: a SHA-384 digest.
pub const PCR_LENGTH: usize = 48;

/// Registers a document can hold; indexes are below this number.
pub const MAX_PCRS: usize = 32;

/// The value of one register.
pub type PcrValue = [u8; PCR_LENGTH];

/// Which platform measured. The two number their registers differently and are never
/// interchangeable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcrFamily {
    /// The field `pcrs`: a Nitro Enclave.
    NitroEnclave,
    /// The field `nitrotpm_pcrs`: an EC2 instance with a NitroTPM.
    NitroTpm,
}

impl PcrFamily {
    /// The name of the payload's field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::NitroEnclave => "pcrs",
            Self::NitroTpm => "nitrotpm_pcrs",
        }
    }
}

/// Where the registers lie in a document.
#[derive(Debug)]
pub(super) struct PcrRanges {
    pub(super) family: PcrFamily,
    pub(super) values: [Option<Range<usize>>; MAX_PCRS],
}

/// The registers of a document.
#[derive(Clone, Copy, Debug)]
pub struct Pcrs<'a> {
    document: &'a [u8],
    ranges: &'a PcrRanges,
}

impl<'a> Pcrs<'a> {
    pub(super) fn new(document: &'a [u8], ranges: &'a PcrRanges) -> Self {
        Self { document, ranges }
    }

    /// Which platform measured.
    pub fn family(&self) -> PcrFamily {
        self.ranges.family
    }

    /// The value of register `index`, if the document holds it.
    pub fn value(&self, index: usize) -> Option<&'a PcrValue> {
        let range = self.ranges.values.get(index)?.clone()?;
        self.document.get(range)?.try_into().ok()
    }

    /// The registers held, by rising index.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'a PcrValue)> + '_ {
        (0..MAX_PCRS).filter_map(|index| Some((index, self.value(index)?)))
    }

    /// Whether PCR0, 1 and 2 are there and all zero: an enclave started with `--debug-mode`, whose
    /// console the parent reads, and whose measurements therefore mean nothing.
    pub fn is_debug_mode(&self) -> bool {
        (0..3).all(|index| self.value(index).is_some_and(|value| value.iter().all(|b| *b == 0)))
    }
}
