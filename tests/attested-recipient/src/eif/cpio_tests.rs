use super::*;

/// An entry that the reader of these tests parsed: the thirteen numbers of the header, the name and
/// the content.
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

/// Parses an archive by the kernel's rules. The last returned entry is the trailer. Checks that only
/// zeros follow the trailer.
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

fn name(text: &str) -> ArchivePath {
    text.parse().unwrap()
}

#[test]
fn entries_are_sorted_normalized_and_have_parents() {
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
fn archive_does_not_depend_on_insertion_order() {
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
fn rejects_duplicate_name_and_file_as_directory() {
    let mut archive = Archive::default();
    archive.file(name("a/b"), 0o644, Vec::new()).unwrap();
    let twice = archive.file(name("a/b"), 0o644, Vec::new());
    assert_eq!(twice, Err(ArchiveError::DuplicateName(name("a/b"))));
    let twice = archive.directory(name("a"), 0o755);
    assert_eq!(twice, Err(ArchiveError::DuplicateName(name("a"))));
    let below = archive.file(name("a/b/c"), 0o644, Vec::new());
    let expected = ArchiveError::FileAsDirectory { name: name("a/b/c"), parent: name("a/b") };
    assert_eq!(below, Err(expected));
}

#[test]
fn rejects_absolute_and_unnormalized_paths() {
    let long = "x".repeat(MAX_COMPONENT_LENGTH);
    let longest = vec![long.as_str(); 16].join("/");
    for good in ["a", "a/b", "..a", "a b", "\u{e9}", "TRAILER!!!/a", &long, &longest] {
        assert_eq!(good.parse::<ArchivePath>().unwrap().to_string(), good);
    }
    for (bad, expected) in [
        ("/a", "absolute"),
        ("", "part that is empty"),
        ("a/", "part that is empty"),
        ("a//b", "part that is empty"),
        ("./a", "part that is empty, \".\""),
        ("a/../b", "\"..\""),
        ("a\0b", "contains NUL"),
        ("TRAILER!!!", "archive's trailer"),
        (&format!("{long}x"), "over 255 bytes"),
        (&format!("{longest}/"), "at most 4095 bytes"),
    ] {
        let error = bad.parse::<ArchivePath>().unwrap_err();
        assert!(error.contains(expected), "{bad:?}: {error}");
    }
}
