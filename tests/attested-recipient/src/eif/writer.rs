//! Writes images in the section order of `nitro-cli`.

use std::io::{self, Write};

use super::format::{
    Architecture, HEADER_LENGTH, MAGIC, MAX_SECTIONS, SECTION_HEADER_LENGTH, SectionEntry,
    SectionKind, VERSION,
};
use super::measurement::{Measurements, Measurer};
use super::metadata::Metadata;

/// Default memory of the enclave, in bytes, as `nitro-cli` writes it.
const DEFAULT_MEMORY: u64 = 1024 * 1024 * 1024;
/// Default number of CPUs, as `nitro-cli` writes it.
const DEFAULT_CPUS: u64 = 2;

/// An image to write. The image has no signature, but `nitro-cli sign-eif` can sign the written
/// file.
pub(crate) struct Image<'a> {
    pub(crate) architecture: Architecture,
    pub(crate) kernel: &'a [u8],
    pub(crate) cmdline: &'a str,
    /// The boot ramdisk.
    pub(crate) bootstrap: &'a [u8],
    /// The application ramdisk.
    pub(crate) application: &'a [u8],
    pub(crate) metadata: &'a Metadata,
}

impl Image<'_> {
    /// Returns the register values of an enclave that boots this image.
    pub(crate) fn measurements(&self) -> Measurements {
        let mut measurer = Measurer::default();
        for (kind, bytes) in self.sections(&[]) {
            measurer.begin(kind);
            measurer.update(bytes);
        }
        measurer.finish()
    }

    /// Writes the image. Equal images have equal bytes.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let metadata = serde_json::to_vec(self.metadata)?;
        let mut sections = Vec::new();
        let mut entries = [SectionEntry::default(); MAX_SECTIONS];
        let mut offset = HEADER_LENGTH;
        for ((kind, bytes), entry) in self.sections(&metadata).into_iter().zip(&mut entries) {
            let size = u64::try_from(bytes.len()).map_err(io::Error::other)?;
            *entry = SectionEntry { offset, size };
            offset = offset.saturating_add(SECTION_HEADER_LENGTH).saturating_add(size);
            sections.push((section_header(kind, size), bytes));
        }
        let header = self.header(sections.len(), &entries)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        for (header, bytes) in &sections {
            crc.update(header);
            crc.update(bytes);
        }
        out.write_all(&header)?;
        out.write_all(&crc.finalize().to_be_bytes())?;
        for (header, bytes) in &sections {
            out.write_all(header)?;
            out.write_all(bytes)?;
        }
        Ok(())
    }

    fn sections<'a>(&'a self, metadata: &'a [u8]) -> [(SectionKind, &'a [u8]); 5] {
        [
            (SectionKind::Kernel, self.kernel),
            (SectionKind::Cmdline, self.cmdline.as_bytes()),
            (SectionKind::Metadata, metadata),
            (SectionKind::Ramdisk, self.bootstrap),
            (SectionKind::Ramdisk, self.application),
        ]
    }

    /// Returns the header without its last field, the CRC-32.
    fn header(&self, count: usize, entries: &[SectionEntry; MAX_SECTIONS]) -> io::Result<Vec<u8>> {
        let mut header = Vec::new();
        header.extend(MAGIC);
        header.extend(VERSION.to_be_bytes());
        header.extend(self.architecture.flags().to_be_bytes());
        header.extend(DEFAULT_MEMORY.to_be_bytes());
        header.extend(DEFAULT_CPUS.to_be_bytes());
        header.extend([0; 2]); // reserved
        header.extend(u16::try_from(count).map_err(io::Error::other)?.to_be_bytes());
        header.extend(entries.iter().flat_map(|entry| entry.offset.to_be_bytes()));
        header.extend(entries.iter().flat_map(|entry| entry.size.to_be_bytes()));
        header.extend([0; 4]); // unused
        Ok(header)
    }
}

fn section_header(kind: SectionKind, size: u64) -> Vec<u8> {
    [&kind.code().to_be_bytes()[..], &[0; 2], &size.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::reader::measure;
    use super::*;
    use crate::eif::BuildMetadata;

    fn metadata() -> Metadata {
        Metadata {
            image_name: "name".to_owned(),
            image_version: "1".to_owned(),
            build_metadata: BuildMetadata {
                build_time: "1970-01-01T00:00:00Z".to_owned(),
                build_tool: "tool".to_owned(),
                build_tool_version: "2".to_owned(),
                operating_system: "Linux".to_owned(),
                kernel_version: "6".to_owned(),
            },
            docker_info: json!({}),
            custom_metadata: json!({ "commit": "c" }),
        }
    }

    fn written(architecture: Architecture) -> (Vec<u8>, Measurements) {
        let image = Image {
            architecture,
            kernel: b"kernel",
            cmdline: "console=ttyS0",
            bootstrap: b"first",
            application: b"second",
            metadata: &metadata(),
        };
        let mut bytes = Vec::new();
        image.write(&mut bytes).unwrap();
        (bytes, image.measurements())
    }

    #[test]
    fn reader_and_writer_measure_the_same() {
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            let (bytes, measurements) = written(architecture);
            assert_eq!(measure(bytes.as_slice()).unwrap(), measurements);
            assert_eq!(measurements.pcr8, None);
            assert_eq!(bytes, written(architecture).0);
        }
    }

    #[test]
    fn writes_every_field_at_its_offset() {
        let metadata = r#"{"ImageName":"name","ImageVersion":"1","BuildMetadata":{"BuildTime":"1970-01-01T00:00:00Z","BuildTool":"tool","BuildToolVersion":"2","OperatingSystem":"Linux","KernelVersion":"6"},"DockerInfo":{},"CustomMetadata":{"commit":"c"}}"#;
        let sections =
            [(1_u16, "kernel"), (2, "console=ttyS0"), (5, metadata), (3, "first"), (3, "second")];
        let (bytes, _) = written(Architecture::Aarch64);
        assert_eq!(bytes[..8], *b".eif\0\x04\0\x01");
        assert_eq!(bytes[8..28], [0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5]);
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let mut offset = 548;
        for (index, (code, text)) in sections.into_iter().enumerate() {
            let size = u64::try_from(text.len()).unwrap();
            assert_eq!(number(28 + 8 * index), offset);
            assert_eq!(number(284 + 8 * index), size);
            let at = usize::try_from(offset).unwrap();
            assert_eq!(bytes[at..at + 4], [&code.to_be_bytes()[..], &[0, 0]].concat());
            assert_eq!(number(at + 4), size);
            assert_eq!(bytes[at + 12..at + 12 + text.len()], *text.as_bytes());
            offset += 12 + size;
        }
        assert_eq!(bytes.len(), usize::try_from(offset).unwrap());
        assert!(bytes[68..284].iter().chain(&bytes[324..544]).all(|byte| *byte == 0));
    }

    #[test]
    fn x86_64_image_has_no_flag() {
        assert_eq!(written(Architecture::X86_64).0[6..8], [0, 0]);
    }
}
