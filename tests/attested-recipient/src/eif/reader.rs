//! Reads an image in one pass. The checks are strict, so that all loaders read the same sections from an
//! accepted image. Some loaders use the header's tables, and others go from section to section. The
//! order of the checks is:
//!
//! 1. The file begins with ".eif".
//! 2. The version is 3 or 4.
//! 3. The flags name an architecture.
//! 4. Unused fields are zero.
//! 5. There are 3 to 32 sections.
//! 6. Sections follow each other in the tables' order, without gap or overlap.
//! 7. The tables are zero after the last section.
//! 8. A section's type is known, its flags are zero, and its size matches the table.
//! 9. The kernel is the first section and the command line is the second. The other sections are at
//!    least one ramdisk, at most one signature, and at most one metadata section. A metadata section
//!    requires version 4. Signature and metadata sections are not too long. A missing ramdisk is
//!    detected after check 11.
//! 10. The file is complete and has no trailing bytes.
//! 11. The CRC-32 matches.
//! 12. The signature section contains a certificate.
//! 13. The metadata section has the form that `nitro-cli` reads.

use std::io::{self, ErrorKind, Read, Write};

use super::error::{EifError, FilePart};
use super::format::{
    Architecture, HEADER_LENGTH, MAGIC, MAX_BUFFERED_LENGTH, MAX_SECTIONS, MIN_SECTIONS,
    OLDEST_VERSION, SectionEntry, SectionKind, VERSION,
};
use super::measurement::{Measurements, Measurer};
use super::metadata::Metadata;
use super::signature::signing_certificate;

/// Reads an image to its end and measures it. The memory use does not depend on the size of the
/// image. `source` should be buffered, because some reads are small.
pub(crate) fn measure(source: impl Read) -> Result<Measurements, EifError> {
    let mut source = CrcReader { inner: source, crc: crc32fast::Hasher::new() };
    let header = Header::read(&mut source)?;
    let mut sections = Sections { version: header.version, ..Sections::default() };
    for (index, entry) in header.sections.iter().enumerate() {
        sections.read(&mut source, index, *entry)?;
    }
    source.end()?; // 10
    let computed = source.crc.finalize();
    if computed != header.crc {
        return Err(EifError::Checksum { in_header: header.crc, computed }); // 11
    }
    sections.finish()
}

struct Header {
    version: u16,
    sections: Vec<SectionEntry>,
    crc: u32,
}

impl Header {
    fn read(source: &mut CrcReader<impl Read>) -> Result<Self, EifError> {
        let magic = source.array(FilePart::Header);
        if matches!(magic, Err(EifError::Truncated(_))) || magic? != MAGIC {
            return Err(EifError::Magic); // 1
        }
        let version = source.u16(FilePart::Header)?;
        if !(OLDEST_VERSION..=VERSION).contains(&version) {
            return Err(EifError::Version(version)); // 2
        }
        let flags = source.u16(FilePart::Header)?;
        Architecture::from_flags(flags).ok_or(EifError::Flags(flags))?; // 3
        // The memory and the number of CPUs are defaults. They may have any value.
        let [_memory, _cpus] = [source.u64(FilePart::Header)?, source.u64(FilePart::Header)?];
        if source.u16(FilePart::Header)? != 0 {
            return Err(EifError::NotZero { field: "reserved" }); // 4
        }
        let count = source.u16(FilePart::Header)?;
        let sections = Self::tables(source, count)?;
        if source.u32(FilePart::Header)? != 0 {
            return Err(EifError::NotZero { field: "unused" }); // 4
        }
        let crc = u32::from_be_bytes(source.array_outside_crc(FilePart::Header)?);
        Ok(Self { version, sections, crc })
    }

    fn tables(
        source: &mut CrcReader<impl Read>,
        count: u16,
    ) -> Result<Vec<SectionEntry>, EifError> {
        let mut table = [SectionEntry::default(); MAX_SECTIONS];
        for entry in &mut table {
            entry.offset = source.u64(FilePart::Header)?;
        }
        for entry in &mut table {
            entry.size = source.u64(FilePart::Header)?;
        }
        let (sections, unused) = table
            .split_at_checked(usize::from(count))
            .filter(|(sections, _)| sections.len() >= MIN_SECTIONS)
            .ok_or(EifError::SectionCount(count))?; // 5
        let mut expected = HEADER_LENGTH;
        for (index, entry) in sections.iter().enumerate() {
            if entry.offset != expected {
                return Err(EifError::Offset { index, offset: entry.offset, expected }); // 6
            }
            expected = entry.end().ok_or(EifError::Unaddressable { index })?;
        }
        if let Some(index) = unused.iter().position(|entry| *entry != SectionEntry::default()) {
            return Err(EifError::UnusedEntry(sections.len() + index)); // 7
        }
        Ok(sections.to_vec())
    }
}

/// The state of the reader between two sections.
#[derive(Default)]
struct Sections {
    version: u16,
    measurer: Measurer,
    signature: Option<Vec<u8>>,
    metadata: Option<Vec<u8>>,
}

impl Sections {
    fn read(
        &mut self,
        source: &mut CrcReader<impl Read>,
        index: usize,
        entry: SectionEntry,
    ) -> Result<(), EifError> {
        let part = FilePart::SectionHeader(index);
        let code = source.u16(part)?;
        let kind = SectionKind::from_code(code).ok_or(EifError::UnknownKind { index, code })?; // 8
        let flags = source.u16(part)?;
        if flags != 0 {
            return Err(EifError::SectionFlags { index, flags }); // 8
        }
        let size = source.u64(part)?;
        if size != entry.size {
            return Err(EifError::Size { index, in_table: entry.size, in_section: size }); // 8
        }
        self.check_order(index, kind)?; // 9
        let part = FilePart::Section(index, kind);
        self.measurer.begin(kind);
        let buffer = match kind {
            SectionKind::Kernel | SectionKind::Cmdline | SectionKind::Ramdisk => {
                return source.copy(size, part, &mut self.measurer);
            }
            SectionKind::Signature => &mut self.signature,
            SectionKind::Metadata => &mut self.metadata,
        };
        if size > MAX_BUFFERED_LENGTH {
            return Err(EifError::TooLong { index, kind, size });
        }
        source.copy(size, part, buffer.insert(Vec::new()))
    }

    fn check_order(&self, index: usize, found: SectionKind) -> Result<(), EifError> {
        if let Some(&expected) = [SectionKind::Kernel, SectionKind::Cmdline].get(index) {
            let order = EifError::Order { index, found, expected };
            return if found == expected { Ok(()) } else { Err(order) };
        }
        let is_duplicate = match found {
            SectionKind::Kernel | SectionKind::Cmdline => true,
            SectionKind::Ramdisk => false,
            SectionKind::Signature => self.signature.is_some(),
            SectionKind::Metadata if self.version < VERSION => {
                return Err(EifError::MetadataTooEarly { index });
            }
            SectionKind::Metadata => self.metadata.is_some(),
        };
        if is_duplicate { Err(EifError::DuplicateSection { index, kind: found }) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<Measurements, EifError> {
        if self.measurer.ramdisks() == 0 {
            return Err(EifError::NoRamdisk); // 9
        }
        if let Some(section) = self.signature {
            self.measurer.certificate(&signing_certificate(&section)?); // 12
        }
        if let Some(section) = self.metadata {
            let _: Metadata = serde_json::from_slice(&section).map_err(EifError::Metadata)?; // 13
        }
        Ok(self.measurer.finish())
    }
}

impl Write for Measurer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that computes the CRC-32 of the bytes it reads.
struct CrcReader<R> {
    inner: R,
    crc: crc32fast::Hasher,
}

impl<R: Read> CrcReader<R> {
    fn u16(&mut self, part: FilePart) -> Result<u16, EifError> {
        self.array(part).map(u16::from_be_bytes)
    }

    fn u32(&mut self, part: FilePart) -> Result<u32, EifError> {
        self.array(part).map(u32::from_be_bytes)
    }

    fn u64(&mut self, part: FilePart) -> Result<u64, EifError> {
        self.array(part).map(u64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self, part: FilePart) -> Result<[u8; N], EifError> {
        let bytes = self.array_outside_crc(part)?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    fn array_outside_crc<const N: usize>(&mut self, part: FilePart) -> Result<[u8; N], EifError> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => EifError::Truncated(part),
            _ => EifError::Io(error),
        })?;
        Ok(bytes)
    }

    /// Copies the next `length` bytes to `out`.
    fn copy(&mut self, length: u64, part: FilePart, out: &mut impl Write) -> Result<(), EifError> {
        let mut writer = CrcWriter { crc: &mut self.crc, out };
        let copied = io::copy(&mut self.inner.by_ref().take(length), &mut writer)?;
        if copied == length { Ok(()) } else { Err(EifError::Truncated(part)) }
    }

    fn end(&mut self) -> Result<(), EifError> {
        match io::copy(&mut self.inner.by_ref().take(1), &mut io::sink())? {
            0 => Ok(()),
            _ => Err(EifError::TrailingBytes),
        }
    }
}

/// A writer that adds bytes to the CRC-32 and writes them to another writer.
struct CrcWriter<'a, W> {
    crc: &'a mut crc32fast::Hasher,
    out: &'a mut W,
}

impl<W: Write> Write for CrcWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.crc.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
