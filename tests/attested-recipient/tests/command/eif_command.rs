//! Tests of `attested-recipient build-eif` and `eif`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha384};
use tempfile::TempDir;

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder with a kernel, modules, an enclave and its configuration.
struct BuildFolder(TempDir);

impl BuildFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("vmlinuz", &b"kernel"[..]),
            ("vsock.ko", b"one"),
            ("nsm.ko", b"two"),
            ("nsm.ko.xz", b"xz"),
            ("initrd", b"twelve bytes"),
            ("odd", b"odd"),
            ("enclave", b"ELF"),
            ("enclave.toml", b"region = \"eu-west-1\""),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, epoch: Option<&str>, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attested-recipient"));
        command.current_dir(self.path()).env_remove("SOURCE_DATE_EPOCH").args(arguments);
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch);
        }
        command.output().unwrap()
    }

    fn build(&self, epoch: Option<&str>, more: &[&str]) -> Output {
        let all: &[&str] = &[
            "build-eif",
            "--kernel",
            "vmlinuz",
            "--cmdline",
            "-x console=ttyS0",
            "--enclave",
            "enclave",
            "--commit",
            "c0ffee",
            "--toolchain",
            "rustc 1.95.0",
        ];
        self.run(epoch, &[all, more].concat())
    }

    fn built(&self, epoch: Option<&str>, more: &[&str]) -> (Vec<u8>, Value) {
        let out = ["--out", "e.eif", "--pcrs", "pcrs.json"];
        let output = self.build(epoch, &[more, &out].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
        let pcrs = fs::read(self.path().join("pcrs.json")).unwrap();
        (fs::read(self.path().join("e.eif")).unwrap(), serde_json::from_slice(&pcrs).unwrap())
    }

    /// Returns the sorted names of all files. A test compares the names to detect temporary files
    /// that were not removed.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Returns the type and the bytes of each section. The table in the header determines the sections.
fn sections(file: &[u8]) -> Vec<(u16, &[u8])> {
    let number = |at: usize| {
        usize::try_from(u64::from_be_bytes(file[at..at + 8].try_into().unwrap())).unwrap()
    };
    let count = usize::from(u16::from_be_bytes([file[26], file[27]]));
    (0..count)
        .map(|index| {
            let start = number(28 + 8 * index);
            let code = u16::from_be_bytes([file[start], file[start + 1]]);
            (code, &file[start + 12..start + 12 + number(284 + 8 * index)])
        })
        .collect()
}

fn pcr(parts: &[&[u8]]) -> String {
    let digest = Sha384::digest(parts.concat());
    const_hex::encode(Sha384::digest([&[0; 48], digest.as_slice()].concat()))
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

const MODULES: [&str; 4] = ["--module", "vsock.ko", "--module", "nsm.ko"];

#[test]
fn image_contains_inputs_and_matches_printed_pcrs() {
    let folder = BuildFolder::new();
    let command = ["--argument", "--listen", "--argument", "vsock:1:2"];
    let files = ["--file", "etc/e.toml=enclave.toml", "--program", "lib64/ld.so=initrd"];
    let more = [&MODULES[..], &command, &files].concat();
    let (file, pcrs) = folder.built(Some("1762795210"), &more);

    let sections = sections(&file);
    let codes: Vec<_> = sections.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [1, 2, 5, 3, 3]);
    let [kernel, cmdline, metadata, first, second] = [0, 1, 2, 3, 4].map(|index| sections[index].1);
    assert_eq!((kernel, cmdline), (&b"kernel"[..], &b"-x console=ttyS0"[..]));
    assert!(holds(first, "modules/00-vsock.ko") && holds(first, "modules/01-nsm.ko"));
    assert!(holds(second, "/init\n--listen\nvsock:1:2\n") && holds(second, "region = "));
    assert!(holds(second, "etc/e.toml") && !holds(second, "modules"));
    assert!(holds(second, "lib64/ld.so\0") && holds(second, "twelve bytes"));

    let metadata: Value = serde_json::from_slice(metadata).unwrap();
    assert_eq!(metadata["BuildMetadata"]["BuildTime"], "2025-11-10T17:20:10Z");
    assert_eq!(metadata["BuildMetadata"]["BuildTool"], "attested-random");
    assert_eq!(metadata["BuildMetadata"]["KernelVersion"], "unknown");
    assert_eq!(metadata["CustomMetadata"]["commit"], "c0ffee");

    let expected = serde_json::json!({
        "PCR0": pcr(&[kernel, cmdline, first, second]),
        "PCR1": pcr(&[kernel, cmdline, first]),
        "PCR2": pcr(&[second]),
        "commit": "c0ffee",
        "toolchain": "rustc 1.95.0",
    });
    assert_eq!(pcrs, expected);
    let shown = folder.run(None, &["eif", "e.eif"]);
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown.as_object().unwrap().len(), 3);
    for name in ["PCR0", "PCR1", "PCR2"] {
        assert_eq!(shown[name], expected[name]);
    }
}

#[test]
fn same_inputs_give_same_bytes_and_time_is_not_measured() {
    let folder = BuildFolder::new();
    let (file, pcrs) = folder.built(None, &MODULES);
    assert!(holds(&file, "1970-01-01T00:00:00Z"));
    assert_eq!(folder.built(None, &MODULES), (file.clone(), pcrs.clone()));
    let (later, same) = folder.built(Some("1"), &MODULES);
    assert_ne!(later, file);
    assert_eq!(same, pcrs);
    let (_, reordered) = folder.built(None, &[&MODULES[2..], &MODULES[..2]].concat());
    assert_ne!(reordered["PCR1"], pcrs["PCR1"]);
    assert_eq!(reordered["PCR2"], pcrs["PCR2"]);
}

#[test]
fn prebuilt_ramdisk_is_used_unchanged() {
    let folder = BuildFolder::new();
    let (file, _) = folder.built(None, &["--ramdisk", "initrd", "--arch", "aarch64"]);
    assert_eq!(sections(&file)[3], (3, &b"twelve bytes"[..]));
    assert_eq!(file[6..8], [0, 1]);
    assert_eq!(folder.run(None, &["eif", "e.eif"]).status.code(), Some(0));
    let (file, _) = folder.built(None, &["--ramdisk", "initrd", "--arch", "x86_64"]);
    assert_eq!(file[6..8], [0, 0]);
}

#[test]
fn output_files_have_default_permissions() {
    let folder = BuildFolder::new();
    folder.built(None, &MODULES);
    let mode =
        |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("e.eif"), mode("pcrs.json")), (mode("vmlinuz"), mode("vmlinuz")));
}

#[test]
fn invalid_inputs_exit_with_2_and_leave_no_files() {
    let folder = BuildFolder::new();
    let out = ["--out", "e.eif", "--pcrs", "pcrs.json"];
    let before = folder.names();
    for (more, expected) in [
        (&["--module", "nsm.ko", "--ramdisk", "initrd"][..], "cannot be used with"),
        (&["--module", "nsm.ko.xz"], "decompress the module first"),
        (&["--module", "gone.ko"], "gone.ko: "),
        (&["--ramdisk", "odd"], "append zeros"),
        (&["--module", "nsm.ko", "--argument", "a\nb"], "must not contain a newline"),
        (&["--module", "nsm.ko", "--file", "enclave.toml"], "NAME=PATH"),
        (&["--module", "nsm.ko", "--file", "/a=enclave.toml"], "absolute"),
        (&["--module", "nsm.ko", "--file", "a/../b=enclave.toml"], "\"..\""),
        (&["--module", "nsm.ko", "--file", "init=enclave.toml"], "already contains init"),
        (&["--module", "nsm.ko", "--file", "cmd/x=enclave.toml"], "cmd is a file"),
        (&["--module", "nsm.ko", "--arch", "riscv64"], "x86_64 or aarch64"),
    ] {
        let output = folder.build(None, &[more, &out].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(stderr(&output).contains(expected), "{more:?}: {}", stderr(&output));
    }
    for epoch in ["", "now", "-1", "253402300800"] {
        let output = folder.build(Some(epoch), &[&MODULES[..], &out].concat());
        assert_eq!(output.status.code(), Some(2), "{epoch}");
        assert!(stderr(&output).contains("SOURCE_DATE_EPOCH"), "{epoch}: {}", stderr(&output));
    }
    for (out, pcrs, expected) in [
        ("same", "same", "the same file"),
        ("gone/e.eif", "pcrs.json", "gone/e.eif: "),
        ("e.eif", "gone/pcrs.json", "gone/pcrs.json: "),
    ] {
        let output = folder.build(None, &[&MODULES[..], &["--out", out, "--pcrs", pcrs]].concat());
        assert_eq!(output.status.code(), Some(2), "{out}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    assert_eq!(folder.names(), before);
}

#[test]
fn eif_error_names_file_and_violated_rule() {
    let folder = BuildFolder::new();
    let (mut file, _) = folder.built(None, &MODULES);
    let refusal = |name: &str| {
        let output = folder.run(None, &["eif", name]);
        assert!(output.stdout.is_empty());
        (output.status.code(), stderr(&output))
    };
    let (code, text) = refusal("vmlinuz");
    assert_eq!(code, Some(1));
    assert!(text.contains("vmlinuz: not an enclave image"), "{text}");
    let last = file.len() - 1;
    file[last] ^= 1;
    fs::write(folder.path().join("e.eif"), &file).unwrap();
    let (code, text) = refusal("e.eif");
    assert_eq!(code, Some(1));
    assert!(text.contains("e.eif: the CRC-32 does not match"), "{text}");
    fs::write(folder.path().join("e.eif"), &file[..last]).unwrap();
    assert!(refusal("e.eif").1.contains("the file ends within section 4, the ramdisk"));
    assert_eq!(refusal("gone").0, Some(2));
}
