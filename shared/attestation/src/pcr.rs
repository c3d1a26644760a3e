//! Platform configuration registers (PCRs): the measurements in a document.

use std::ops::Range;

/// Length of one register, in bytes: that of a SHA-384 digest.
pub const PCR_LENGTH: usize = 48;

/// Maximum number of registers in a document. Indexes are below this number.
pub const MAX_PCRS: usize = 32;

/// The value of one register.
pub type PcrValue = [u8; PCR_LENGTH];

/// The PCR family: the platform that made the measurements. An index has different meanings on the two
/// platforms, so registers of different families are never compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcrFamily {
    /// The field `pcrs`: a Nitro Enclave.
    NitroEnclave,
    /// The field `nitrotpm_pcrs`: an EC2 instance with a NitroTPM.
    NitroTpm,
}

impl PcrFamily {
    /// Returns the name of the payload's field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::NitroEnclave => "pcrs",
            Self::NitroTpm => "nitrotpm_pcrs",
        }
    }
}

/// The positions of the registers in a document.
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

    /// Returns the platform that made the measurements.
    pub fn family(&self) -> PcrFamily {
        self.ranges.family
    }

    /// Returns the value of register `index`, or `None` if the document does not contain it.
    pub fn value(&self, index: usize) -> Option<&'a PcrValue> {
        let range = self.ranges.values.get(index)?.clone()?;
        self.document.get(range)?.try_into().ok()
    }

    /// Iterates over the registers in the document in ascending order of their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'a PcrValue)> + '_ {
        (0..MAX_PCRS).filter_map(|index| Some((index, self.value(index)?)))
    }
}
