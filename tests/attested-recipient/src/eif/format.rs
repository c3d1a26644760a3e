//! Constants and types that the reader and the writer share. The values are those of the crate
//! `aws-nitro-enclaves-image-format`.

use std::env::consts::ARCH;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

pub(super) const MAGIC: [u8; 4] = *b".eif";
/// The oldest supported version, which is the first with a signature section. Version 2 has no signature
/// section, and version 1 has no CRC-32.
pub(super) const OLDEST_VERSION: u16 = 3;
/// The newest version, which is the first with a metadata section.
pub(super) const VERSION: u16 = 4;
pub(super) const MAX_SECTIONS: usize = 32;
/// Minimum number of sections: a kernel, a command line and a ramdisk.
pub(super) const MIN_SECTIONS: usize = 3;
pub(super) const HEADER_LENGTH: u64 = 548;
pub(super) const SECTION_HEADER_LENGTH: u64 = 12;
/// Maximum length of a signature or metadata section, in bytes. The reader holds these sections in
/// memory, and streams the others.
pub(super) const MAX_BUFFERED_LENGTH: u64 = 1024 * 1024;

/// Bit 0 of the header's flags. The other bits are unused.
const AARCH64: u16 = 1;

/// The architecture of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    /// Returns the architecture of this machine, if Nitro Enclaves support it.
    pub(crate) fn host() -> Option<Self> {
        ARCH.parse().ok()
    }

    pub(super) const fn flags(self) -> u16 {
        match self {
            Self::X86_64 => 0,
            Self::Aarch64 => AARCH64,
        }
    }

    pub(super) const fn from_flags(flags: u16) -> Option<Self> {
        match flags {
            0 => Some(Self::X86_64),
            AARCH64 => Some(Self::Aarch64),
            _ => None,
        }
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "x86_64" => Ok(Self::X86_64),
            "aarch64" => Ok(Self::Aarch64),
            _ => Err("expected x86_64 or aarch64".to_owned()),
        }
    }
}

/// The type of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Kernel,
    Cmdline,
    Ramdisk,
    Signature,
    Metadata,
}

impl SectionKind {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Kernel => 1,
            Self::Cmdline => 2,
            Self::Ramdisk => 3,
            Self::Signature => 4,
            Self::Metadata => 5,
        }
    }

    pub(super) const fn from_code(code: u16) -> Option<Self> {
        match code {
            1 => Some(Self::Kernel),
            2 => Some(Self::Cmdline),
            3 => Some(Self::Ramdisk),
            4 => Some(Self::Signature),
            5 => Some(Self::Metadata),
            _ => None,
        }
    }
}

impl Display for SectionKind {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Kernel => "kernel",
            Self::Cmdline => "command line",
            Self::Ramdisk => "ramdisk",
            Self::Signature => "signature",
            Self::Metadata => "metadata",
        })
    }
}

/// The offset and the size of one section. The header stores all offsets in one array, and all sizes in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SectionEntry {
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl SectionEntry {
    /// Returns the offset of the next section, or `None` if it exceeds 64 bits.
    pub(super) fn end(self) -> Option<u64> {
        self.offset.checked_add(SECTION_HEADER_LENGTH)?.checked_add(self.size)
    }
}
