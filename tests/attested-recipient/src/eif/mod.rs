//! The Enclave Image Format (EIF), from which Nitro boots an enclave: a header, then the sections. All
//! numbers are big-endian.
//!
//! ```text
//! header, 548 bytes          ".eif", version u16, flags u16, memory u64, CPUs u64, reserved u16,
//!                            sections u16, offsets 32 × u64, sizes 32 × u64, unused u32, CRC-32 u32
//! section header, 12 bytes   type u16, flags u16, size u64; the section's bytes follow
//! ```
//!
//! A section's offset is that of its header, and its size excludes the header. The CRC-32 covers
//! everything except its own field. [`measurement`] lists the measured sections.

mod cpio;
mod error;
mod format;
mod measurement;
mod metadata;
mod ramdisk;
mod reader;
mod signature;
mod writer;

#[cfg(test)]
mod reader_tests;

pub(crate) use cpio::ArchivePath;
pub(crate) use error::EifError;
pub(crate) use format::Architecture;
pub(crate) use measurement::Measurements;
pub(crate) use metadata::{BuildMetadata, Metadata};
pub(crate) use ramdisk::{
    KernelModule, RamdiskError, aligned_ramdisk, application_ramdisk, boot_ramdisk,
};
pub(crate) use reader::measure;
pub(crate) use writer::Image;
