//! The canonical tar archive (POSIX ustar) of a configuration bundle.
//!
//! In this encoding, equal files always have equal archives. The enclave can therefore measure the bytes of an
//! archive. The entries are sorted by the bytes of their names. Each entry has mode 0600, user 0, group 0 and
//! modification time 0.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path};

use tar::{EntryType, Header};
use thiserror::Error;
use zeroize::Zeroizing;

/// Maximum length of an archive, in bytes. A few files of the maximum length fit.
pub const MAX_ARCHIVE_LENGTH: usize = 8 * 1024 * 1024;

/// Length of a tar block, in bytes.
const BLOCK_LENGTH: usize = 512;

/// Maximum length of a file name, in bytes: the length of the name field in a ustar header.
const MAX_NAME_LENGTH: usize = 100;

/// Contents of files by name, in the order of the entries in an archive.
pub(in crate::config) type ArchiveFiles<'a> = BTreeMap<&'a str, &'a [u8]>;

/// The error for bytes that are not the archive of a configuration bundle.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// Bytes that are not a tar archive, or a truncated archive.
    #[error("not a tar archive: {0}")]
    Tar(#[from] io::Error),
    /// An entry with an invalid file name.
    #[error(
        "the archive contains {0:?}, which is not a valid file name: {NAME_RULE}, or create the archive \
         with attested-recipient config-archive"
    )]
    Name(String),
    /// An entry that is longer than the limit for one file.
    #[error("{0:?} in the archive is longer than 1 MiB")]
    TooLong(String),
    /// A tar archive whose file name does not end in `.tar`.
    #[error("the file is a tar archive: rename the file so that its name ends in .tar")]
    Extension,
    /// An archive without the TOML file.
    #[error(
        "the archive contains no enclave.toml: create the archive with attested-recipient config-archive"
    )]
    NoToml,
    /// An entry that the TOML file does not name.
    #[error("the archive contains {0:?}, which its enclave.toml does not name: remove that file")]
    Unnamed(String),
    /// An archive whose encoding is not canonical.
    #[error(
        "the encoding is not canonical, so the archive and its files would have different measurements: \
         create the archive with attested-recipient config-archive"
    )]
    NotCanonical,
}

/// The rule for file names, for messages.
pub(in crate::config) const NAME_RULE: &str =
    "use a path below the configuration's folder, of at most 100 bytes, without . and ..";

/// Returns whether `name` is a normalized relative path without control characters.
pub(in crate::config) fn is_name(name: &str) -> bool {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
            _ => return false,
        }
    }
    !parts.is_empty()
        && name.len() <= MAX_NAME_LENGTH
        && parts.join("/") == name
        && !name.contains(char::is_control)
}

/// Encodes `files` as an archive. The buffer is never reallocated, so no copies of secrets remain in memory.
pub(in crate::config) fn encode(files: &ArchiveFiles<'_>) -> io::Result<Zeroizing<Vec<u8>>> {
    let padded = |length: usize| length.next_multiple_of(BLOCK_LENGTH);
    let length: usize = files.values().map(|bytes| BLOCK_LENGTH + padded(bytes.len())).sum();
    let mut archive = Zeroizing::new(Vec::with_capacity(length + 2 * BLOCK_LENGTH));
    for (name, bytes) in files {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(bytes);
        let end = padded(archive.len());
        archive.resize(end, 0);
    }
    let end = archive.len() + 2 * BLOCK_LENGTH;
    archive.resize(end, 0);
    Ok(archive)
}

/// Returns the files in `archive`. Rejects an archive that differs from the result of [`encode`] for these
/// files.
pub(in crate::config) fn decode(
    archive: &[u8],
) -> Result<BTreeMap<String, Zeroizing<Vec<u8>>>, ArchiveError> {
    let mut files = BTreeMap::new();
    // Raw entries contain GNU extensions, which the check of the entry type rejects. For example, a sparse file
    // could claim more bytes than the archive contains.
    for entry in tar::Archive::new(archive).entries()?.raw(true) {
        let mut entry = entry?;
        if entry.header().entry_type() != EntryType::Regular {
            return Err(ArchiveError::NotCanonical);
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !is_name(&name) {
            return Err(ArchiveError::Name(name));
        }
        // The entry may claim any size, so the allocation is limited by the length of the archive.
        let length = usize::try_from(entry.size()).unwrap_or(usize::MAX).min(archive.len());
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        entry.read_to_end(&mut bytes)?;
        files.insert(name, bytes);
    }
    let named = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    match encode(&named) {
        Ok(canonical) if *canonical == archive => Ok(files),
        _ => Err(ArchiveError::NotCanonical),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Zeroizing<Vec<u8>> {
        let long = [7; 513];
        encode(&ArchiveFiles::from([("enclave.toml", &b"a"[..]), ("b/c.json", &long), ("d", b"")]))
            .unwrap()
    }

    #[test]
    fn decodes_an_encoded_archive() {
        let archive = example();
        // The archive has three headers, one block of content for `enclave.toml`, two blocks for `b/c.json`, and two
        // final blocks.
        assert_eq!(archive.len(), 512 * (3 + 1 + 2 + 2));
        let files = decode(&archive).unwrap();
        let lengths: Vec<_> = files.iter().map(|(name, bytes)| (&**name, bytes.len())).collect();
        assert_eq!(lengths, [("b/c.json", 513), ("d", 0), ("enclave.toml", 1)]);
        assert!(decode(&encode(&ArchiveFiles::new()).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn rejects_non_canonical_archive() {
        let good = example();
        for length in 0..good.len() {
            assert!(decode(&good[..length]).is_err(), "cut at {length}");
        }
        let longer = [&good[..], &[0; 512]].concat();
        assert!(matches!(decode(&longer), Err(ArchiveError::NotCanonical)));
        // The test changes every byte of the headers of `b/c.json` and `enclave.toml`, but no content.
        for at in (0..512).chain(1536 + 512..1536 + 1024) {
            for flip in [0x01, 0x20, 0x80] {
                let mut other = good.clone();
                other[at] ^= flip;
                assert!(decode(&other).is_err(), "byte {at} ^ {flip:#x}");
            }
        }
    }

    #[test]
    fn rejects_reordered_or_repeated_entries() {
        let one = |name, bytes| encode(&ArchiveFiles::from([(name, bytes)])).unwrap();
        let (a, b) = (one("a", b"1".as_slice()), one("b", b"2"));
        let [a, b, end] = [&a[..1024], &b[..1024], &a[1024..]];
        decode(&[a, b, end].concat()).unwrap();
        for other in [[b, a, end].concat(), [a, a, end].concat(), [a, end, b].concat()] {
            assert!(matches!(decode(&other), Err(ArchiveError::NotCanonical)));
        }
    }

    #[test]
    fn accepts_only_relative_normalized_names() {
        for name in ["a", "a/b.json", "ü", "..a", "a..", &"n".repeat(100)] {
            assert!(is_name(name), "{name}");
            decode(&encode(&ArchiveFiles::from([(name, &b"1"[..])])).unwrap()).unwrap();
        }
        for name in
            ["", "/a", "../a", "a/../b", ".", "./a", "a/./b", "a//b", "a/", "a\n", &"n".repeat(101)]
        {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn rejects_entries_other_than_regular_files() {
        let mut kinds = vec![EntryType::Symlink, EntryType::Directory, EntryType::XHeader];
        kinds.extend([EntryType::GNULongName, EntryType::Continuous, EntryType::Link]);
        for kind in kinds {
            let mut header = Header::new_ustar();
            header.set_path("other").unwrap();
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
            header.set_size(0);
            header.set_cksum();
            let archive = [header.as_bytes().as_slice(), &[0; 1024]].concat();
            assert!(matches!(decode(&archive), Err(ArchiveError::NotCanonical)), "{kind:?}");
        }
    }

    /// Decodes a header that claims the largest size that the format can express.
    #[test]
    fn rejects_sparse_file_without_allocating_it() {
        let mut header = Header::new_gnu();
        header.set_path("enclave.toml").unwrap();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_size(0);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.realsize = *b"777777777777";
        gnu.sparse[0].offset = *b"777777777777";
        gnu.sparse[0].numbytes = *b"000000000000";
        header.set_cksum();
        let archive = [header.as_bytes().as_slice(), &[0; 1024]].concat();
        assert!(matches!(decode(&archive), Err(ArchiveError::NotCanonical)));
    }

    proptest! {
        #[test]
        fn never_panics(start in proptest::collection::vec(any::<u8>(), 0..600), cut in 0..4096_usize) {
            drop(decode(&start));
            let mut corrupted = example().to_vec();
            let at = cut.min(corrupted.len());
            let end = (at + start.len()).min(corrupted.len());
            corrupted[at..end].copy_from_slice(&start[..end - at]);
            drop(decode(&corrupted));
        }
    }
}
