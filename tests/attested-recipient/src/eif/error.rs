//! The errors of the reader. Each variant is the violation of one rule of the format.

use std::fmt::{self, Display, Formatter};
use std::io;

use thiserror::Error;

use super::format::{MAX_BUFFERED_LENGTH, SectionKind};
use super::signature::SignatureError;

/// The reason why a file is not an enclave image. Sections are counted from 0.
#[derive(Debug, Error)]
pub(crate) enum EifError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not an enclave image: it does not begin with \".eif\"")]
    Magic,
    #[error("the file ends within {0}")]
    Truncated(FilePart),
    #[error("EIF version {0} is not supported: only 3 and 4 are")]
    Version(u16),
    #[error("the header's flags {0:#06x} are unknown: 0 is x86_64, 1 is aarch64")]
    Flags(u16),
    #[error("the header's field {field} must be zero")]
    NotZero { field: &'static str },
    #[error("the header counts {0} sections: there must be 3 to 32")]
    SectionCount(u16),
    #[error("the header's tables must be zero after the last section, but entry {0} is not")]
    UnusedEntry(usize),
    #[error(
        "section {index} begins at {offset}, expected {expected}: sections follow each other \
         without gap or overlap"
    )]
    Offset { index: usize, offset: u64, expected: u64 },
    #[error("section {index} ends beyond the 64-bit address range")]
    Unaddressable { index: usize },
    #[error("section {index} has {in_table} bytes in the header's table, {in_section} in its own")]
    Size { index: usize, in_table: u64, in_section: u64 },
    #[error("section {index} has the unknown type {code}: types are 1 to 5")]
    UnknownKind { index: usize, code: u16 },
    #[error("section {index} has the flags {flags:#06x}: they must be zero")]
    SectionFlags { index: usize, flags: u16 },
    #[error("section {index} is a {found}: it must be the {expected}")]
    Order { index: usize, found: SectionKind, expected: SectionKind },
    #[error("section {index} is a second {kind}: only one is allowed")]
    DuplicateSection { index: usize, kind: SectionKind },
    #[error("section {index} is metadata, which EIF version 3 does not have")]
    MetadataTooEarly { index: usize },
    #[error("no section is a ramdisk: at least one is required")]
    NoRamdisk,
    #[error(
        "section {index}, the {kind}, has {size} bytes: at most {} MiB is supported",
        MAX_BUFFERED_LENGTH / (1024 * 1024)
    )]
    TooLong { index: usize, kind: SectionKind, size: u64 },
    #[error("the file has bytes after the last section")]
    TrailingBytes,
    #[error("the CRC-32 does not match: the header has {in_header:08x}, the file {computed:08x}")]
    Checksum { in_header: u32, computed: u32 },
    #[error("the signature section: {0}")]
    Signature(#[from] SignatureError),
    #[error("the metadata section is not the JSON that nitro-cli reads: {0}")]
    Metadata(#[source] serde_json::Error),
}

/// The part of a file that is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilePart {
    Header,
    SectionHeader(usize),
    Section(usize, SectionKind),
}

impl Display for FilePart {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => out.write_str("the header"),
            Self::SectionHeader(index) => write!(out, "the header of section {index}"),
            Self::Section(index, kind) => write!(out, "section {index}, the {kind}"),
        }
    }
}
