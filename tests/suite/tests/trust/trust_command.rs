use std::fs;

use crate::enclave::{Enclave, pcr0};

/// The result of one run of `trust`.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The content of the bundle file, if it exists.
    pub(crate) bundle: Option<String>,
}

/// Runs `attested-recipient trust` with these arguments. The output file is in an empty folder.
pub(crate) fn trust(arguments: &[&str]) -> Outcome {
    trust_with_existing_file(None, arguments)
}

/// Runs `trust` with an output file that exists.
pub(crate) fn trust_with_existing_file(existing: Option<&str>, arguments: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("enclave-ca.pem");
    if let Some(existing) = existing {
        fs::write(&out, existing).unwrap();
    }
    let mut command = suite::command();
    command.arg("trust").args(arguments).arg("--out").arg(&out);
    let output = command.output().unwrap();
    let bundle = fs::read_to_string(&out).ok();
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, usize::from(bundle.is_some()), "a temporary file was left");
    Outcome {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        bundle,
    }
}

/// Runs `trust` for `url` with the root of `enclave` as a trust anchor and its PCR0 as expectation.
pub(crate) fn trust_with_root(url: &str, enclave: &Enclave, more: &[&str]) -> Outcome {
    let (root, pcr0) = (enclave.root(), pcr0());
    trust(&[&[url, "--simulator", "--root", &root, "--pcr", &pcr0], more].concat())
}

impl Outcome {
    /// Asserts the exit status and the message. Asserts that the command wrote no file.
    #[track_caller]
    pub(crate) fn assert_fails(&self, status: i32, message: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.stderr.contains(message), "{message}: {self:?}");
        assert_eq!((&*self.stdout, &self.bundle), ("", &None), "{self:?}");
    }
}
