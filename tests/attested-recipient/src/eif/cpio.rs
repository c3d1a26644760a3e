//! Archives that the Linux kernel unpacks at boot: cpio in the form "newc", see the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst.
//!
//! What would differ from one build to the next is not there: every owner is root, every time is
//! zero, and entries are numbered in the order of their names.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use thiserror::Error;

/// Archives end at a multiple of this, with zeros, as those of `cpio` do; so another may follow.
const BLOCK_LENGTH: usize = 512;
/// Header and name begin and end at a multiple of this, and so does a file's content.
const ALIGNMENT: usize = 4;
const TRAILER: &str = "TRAILER!!!";
/// The kernel skips a name that is longer, in bytes: PATH_MAX without the NUL.
const MAX_NAME_LENGTH: usize = 4095;
/// No part of a name may be longer, in bytes.
const MAX_COMPONENT_LENGTH: usize = 255;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const PARENT_PERMISSIONS: u32 = 0o755;

/// A path within an archive: relative, in its only form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// The directories above, outermost first.
    fn parents(&self) -> impl Iterator<Item = Self> {
        self.0.match_indices('/').filter_map(|(end, _)| self.0.get(..end)).map(|it| Self(it.into()))
    }
}

impl FromStr for Name {
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
            return Err(format!("{text:?} would end the name or the archive"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Display for Name {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why an archive takes no such entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ArchiveError {
    #[error("the ramdisk's {0} is there already")]
    Twice(Name),
    #[error("the ramdisk's {parent} is a file, so there can be no {name} below it")]
    FileAsDirectory { name: Name, parent: Name },
    #[error("the ramdisk's {0} is over 4 GiB")]
    TooLong(Name),
}

/// Directories and files, by name.
#[derive(Default)]
pub(crate) struct Archive {
    entries: BTreeMap<Name, Entry>,
}

enum Entry {
    Directory { permissions: u32 },
    File { permissions: u32, length: u32, content: Vec<u8> },
}

impl Archive {
    /// Adds a directory, and those above it.
    pub(crate) fn directory(&mut self, name: Name, permissions: u32) -> Result<(), ArchiveError> {
        self.add(name, Entry::Directory { permissions })
    }

    /// Adds a file, and the directories above it.
    pub(crate) fn file(
        &mut self,
        name: Name,
        permissions: u32,
        content: Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let Ok(length) = u32::try_from(content.len()) else {
            return Err(ArchiveError::TooLong(name));
        };
        self.add(name, Entry::File { permissions, length, content })
    }

    fn add(&mut self, name: Name, entry: Entry) -> Result<(), ArchiveError> {
        for parent in name.parents() {
            let above = Entry::Directory { permissions: PARENT_PERMISSIONS };
            if let Entry::File { .. } = self.entries.entry(parent.clone()).or_insert(above) {
                return Err(ArchiveError::FileAsDirectory { name: name.clone(), parent });
            }
        }
        match self.entries.entry(name) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            Slot::Occupied(slot) => Err(ArchiveError::Twice(slot.key().clone())),
        }
    }

    /// The archive's bytes: a directory before what is in it.
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

/// What differs between entries.
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
pub(super) mod tests {
    use super::*;

    /// An entry as another reader sees it: the header's thirteen numbers, the name, the content.
    pub(in crate::eif) struct Listed {
        pub(in crate::eif) fields: [u32; 13],
        pub(in crate::eif) name: String,
        pub(in crate::eif) content: Vec<u8>,
    }

    impl Listed {
        pub(in crate::eif) fn mode(&self) -> u32 {
            self.fields[1]
        }
    }

    /// Reads an archive by the kernel's rules, the trailer as the last entry, and checks that only
    /// zeros follow.
    pub(in crate::eif) fn list(archive: &[u8]) -> Vec<Listed> {
        let aligned = |position: usize| position.div_ceil(4) * 4;
        let mut entries: Vec<Listed> = Vec::new();
        let mut at = 0;
        while entries.last().is_none_or(|last| last.name != "TRAILER!!!") {
            assert_eq!(&archive[at..at + 6], b"070701", "at {at}");
            let field = |index: usize| {
                let start = at + 6 + 8 * index;
                let digits = std::str::from_utf8(&archive[start..start + 8]).unwrap();
                u32::from_str_radix(digits, 16).unwrap()
            };
            let fields: [u32; 13] = std::array::from_fn(field);
            let name_end = at + 110 + usize::try_from(fields[11]).unwrap();
            let (name, nul) = archive[at + 110..name_end].split_at(name_end - at - 111);
            assert_eq!(nul, [0]);
            let content_end = aligned(name_end) + usize::try_from(fields[6]).unwrap();
            entries.push(Listed {
                fields,
                name: String::from_utf8(name.to_vec()).unwrap(),
                content: archive[aligned(name_end)..content_end].to_vec(),
            });
            at = aligned(content_end);
        }
        assert!(archive[at..].iter().all(|byte| *byte == 0));
        entries
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn lists_back_sorted_with_parents_and_normalised() {
        let mut archive = Archive::default();
        archive.file(name("b/c/file"), 0o644, b"12345".to_vec()).unwrap();
        archive.file(name("b-"), 0o755, Vec::new()).unwrap();
        archive.directory(name("a"), 0o1777).unwrap();
        let bytes = archive.to_bytes();
        assert_eq!(bytes.len(), 1024);
        let listed = list(&bytes);
        let names: Vec<_> = listed.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "b-", "b/c", "b/c/file", "TRAILER!!!"]);
        // Inode, mode, uid, gid, links, time, size, four devices, length of the name, checksum.
        let expected = [
            [1, 0o041_777, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0],
            [2, 0o040_755, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0],
            [3, 0o100_755, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0],
            [4, 0o040_755, 0, 0, 2, 0, 0, 0, 0, 0, 0, 4, 0],
            [5, 0o100_644, 0, 0, 1, 0, 5, 0, 0, 0, 0, 9, 0],
            [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0],
        ];
        assert_eq!(listed.iter().map(|entry| entry.fields).collect::<Vec<_>>(), expected);
        assert_eq!(listed[4].content, b"12345");
    }

    #[test]
    fn does_not_depend_on_the_order_of_additions() {
        let build = |order: [&str; 3]| {
            let mut archive = Archive::default();
            for file in order {
                archive.file(name(file), 0o644, file.into()).unwrap();
            }
            archive.to_bytes()
        };
        assert_eq!(build(["x/a", "x/b", "y"]), build(["y", "x/b", "x/a"]));
    }

    #[test]
    fn refuses_a_name_twice_and_a_file_as_a_directory() {
        let mut archive = Archive::default();
        archive.file(name("a/b"), 0o644, Vec::new()).unwrap();
        let twice = archive.file(name("a/b"), 0o644, Vec::new());
        assert_eq!(twice, Err(ArchiveError::Twice(name("a/b"))));
        let twice = archive.directory(name("a"), 0o755);
        assert_eq!(twice, Err(ArchiveError::Twice(name("a"))));
        let below = archive.file(name("a/b/c"), 0o644, Vec::new());
        let expected = ArchiveError::FileAsDirectory { name: name("a/b/c"), parent: name("a/b") };
        assert_eq!(below, Err(expected));
    }

    #[test]
    fn names_are_relative_and_in_their_only_form() {
        let long = "x".repeat(MAX_COMPONENT_LENGTH);
        let longest = vec![long.as_str(); 16].join("/");
        for good in ["a", "a/b", "..a", "a b", "\u{e9}", "TRAILER!!!/a", &long, &longest] {
            assert_eq!(good.parse::<Name>().unwrap().to_string(), good);
        }
        for (bad, expected) in [
            ("/a", "absolute"),
            ("", "part that is empty"),
            ("a/", "part that is empty"),
            ("a//b", "part that is empty"),
            ("./a", "part that is empty, \".\""),
            ("a/../b", "\"..\""),
            ("a\0b", "would end the name"),
            ("TRAILER!!!", "or the archive"),
            (&format!("{long}x"), "over 255 bytes"),
            (&format!("{longest}/"), "at most 4095 bytes"),
        ] {
            let error = bad.parse::<Name>().unwrap_err();
            assert!(error.contains(expected), "{bad:?}: {error}");
        }
    }
}
