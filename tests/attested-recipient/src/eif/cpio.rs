//! Archives that the Linux kernel unpacks at boot, in the cpio format "newc". See the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst.
//!
//! Equal contents have equal archives: every owner is root, every time is zero, and the inode numbers
//! follow the order of the names.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use thiserror::Error;

/// An archive is padded with zeros to a multiple of this length, in bytes, as by `cpio`. Another
/// archive may follow the padding.
const BLOCK_LENGTH: usize = 512;
/// Headers, names and file contents are padded to a multiple of this length, in bytes.
const ALIGNMENT: usize = 4;
const TRAILER: &str = "TRAILER!!!";
/// Maximum length of a name, in bytes: PATH_MAX without the NUL. The kernel skips longer names.
const MAX_NAME_LENGTH: usize = 4095;
/// Maximum length of a component of a name, in bytes.
const MAX_COMPONENT_LENGTH: usize = 255;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const PARENT_PERMISSIONS: u32 = 0o755;

/// A normalized relative path in an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArchivePath(String);

impl ArchivePath {
    /// Returns the parent directories, outermost first.
    fn parents(&self) -> impl Iterator<Item = Self> {
        self.0.match_indices('/').filter_map(|(end, _)| self.0.get(..end)).map(|it| Self(it.into()))
    }
}

impl FromStr for ArchivePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |part: &str| matches!(part, "" | "." | "..") || part.len() > MAX_COMPONENT_LENGTH;
        if text.starts_with('/') {
            return Err(format!("{text:?} is absolute: write it relative to the root"));
        }
        if text.len() > MAX_NAME_LENGTH {
            return Err(format!("a name has at most {MAX_NAME_LENGTH} bytes"));
        }
        if text.split('/').any(bad) {
            return Err(format!(
                "{text:?} has a part that is empty, \".\", \"..\" or over {MAX_COMPONENT_LENGTH} bytes"
            ));
        }
        if text.contains('\0') || text == TRAILER {
            return Err(format!("{text:?} contains NUL or is the name of the archive's trailer"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Display for ArchivePath {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The reason why an entry cannot be added to an archive.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ArchiveError {
    #[error("the ramdisk already contains {0}")]
    DuplicateName(ArchivePath),
    #[error("{parent} is a file in the ramdisk, so {name} cannot be below it")]
    FileAsDirectory { name: ArchivePath, parent: ArchivePath },
    #[error("{0} is larger than 4 GiB, the limit for a file in the ramdisk")]
    TooLong(ArchivePath),
}

/// Directories and files, by name.
#[derive(Default)]
pub(crate) struct Archive {
    entries: BTreeMap<ArchivePath, Entry>,
}

enum Entry {
    Directory { permissions: u32 },
    File { permissions: u32, length: u32, content: Vec<u8> },
}

impl Archive {
    /// Adds a directory and its parents.
    pub(crate) fn directory(
        &mut self,
        name: ArchivePath,
        permissions: u32,
    ) -> Result<(), ArchiveError> {
        self.add(name, Entry::Directory { permissions })
    }

    /// Adds a file and its parent directories.
    pub(crate) fn file(
        &mut self,
        name: ArchivePath,
        permissions: u32,
        content: Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let Ok(length) = u32::try_from(content.len()) else {
            return Err(ArchiveError::TooLong(name));
        };
        self.add(name, Entry::File { permissions, length, content })
    }

    fn add(&mut self, name: ArchivePath, entry: Entry) -> Result<(), ArchiveError> {
        for parent in name.parents() {
            let above = Entry::Directory { permissions: PARENT_PERMISSIONS };
            if let Entry::File { .. } = self.entries.entry(parent.clone()).or_insert(above) {
                return Err(ArchiveError::FileAsDirectory { name: name.clone(), parent });
            }
        }
        match self.entries.entry(name) {
            MapEntry::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            MapEntry::Occupied(slot) => Err(ArchiveError::DuplicateName(slot.key().clone())),
        }
    }

    /// Returns the bytes of the archive. Each directory comes before its entries.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (inode, (name, entry)) in (1..).zip(&self.entries) {
            match entry {
                Entry::Directory { permissions } => {
                    let header =
                        Header { inode, mode: DIRECTORY | permissions, links: 2, length: 0 };
                    header.write(&mut out, &name.0);
                }
                Entry::File { permissions, length, content } => {
                    let mode = REGULAR | permissions;
                    Header { inode, mode, links: 1, length: *length }.write(&mut out, &name.0);
                    out.extend(content);
                    pad(&mut out, ALIGNMENT);
                }
            }
        }
        Header { inode: 0, mode: 0, links: 1, length: 0 }.write(&mut out, TRAILER);
        pad(&mut out, BLOCK_LENGTH);
        out
    }
}

/// The header fields that differ between entries.
struct Header {
    inode: u32,
    mode: u32,
    links: u32,
    length: u32,
}

impl Header {
    fn write(&self, out: &mut Vec<u8>, name: &str) {
        let Self { inode, mode, links, length } = self;
        let (uid, gid, time, device, checksum) = (0, 0, 0, 0, 0);
        let name_length = name.len() + 1;
        out.extend(b"070701");
        for field in
            [*inode, *mode, uid, gid, *links, time, *length, device, device, device, device]
        {
            out.extend(format!("{field:08X}").bytes());
        }
        out.extend(format!("{name_length:08X}{checksum:08X}").bytes());
        out.extend(name.bytes());
        out.push(0);
        pad(out, ALIGNMENT);
    }
}

fn pad(out: &mut Vec<u8>, alignment: usize) {
    out.resize(out.len().next_multiple_of(alignment), 0);
}

#[cfg(test)]
#[path = "cpio_tests.rs"]
pub(super) mod tests;
