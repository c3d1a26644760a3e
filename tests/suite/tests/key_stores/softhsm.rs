//! A folder with a SoftHSM, the module that injects faults into it, and a configuration of a
//! service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::store_config::Store;

/// The user PINs of the tokens `vault` and `spare`.
pub(crate) const PIN: &str = "canary-pin-5309-vault";
pub(crate) const SPARE_PIN: &str = "canary-pin-8675-spare";

/// `CK_RV`s, PKCS#11 2.40.
pub(crate) const CKR_GENERAL_ERROR: u64 = 0x05;
pub(crate) const CKR_FUNCTION_FAILED: u64 = 0x06;
pub(crate) const CKR_DEVICE_ERROR: u64 = 0x30;
pub(crate) const CKR_DEVICE_REMOVED: u64 = 0x32;
pub(crate) const CKR_SESSION_CLOSED: u64 = 0xb0;
pub(crate) const CKR_SESSION_HANDLE_INVALID: u64 = 0xb3;
pub(crate) const CKR_TOKEN_NOT_PRESENT: u64 = 0xe0;
pub(crate) const CKR_USER_ALREADY_LOGGED_IN: u64 = 0x100;
pub(crate) const CKR_CRYPTOKI_ALREADY_INITIALIZED: u64 = 0x191;

/// A SoftHSM with the tokens `vault` and `spare`, for one service.
#[derive(Debug)]
pub(crate) struct SoftHsm {
    folder: TempDir,
    /// Number of faults that were injected into a limited number of calls.
    counted: AtomicU64,
}

/// A call of the module that has returned.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: String,
    /// The return code (`CK_RV`).
    pub(crate) rv: u64,
    /// The bytes that `C_GenerateRandom` returned.
    pub(crate) bytes: Vec<u8>,
}

impl SoftHsm {
    /// Creates a SoftHSM, and a configuration with `stores` on the module that injects faults.
    pub(crate) fn with_stores(stores: &[Store<'_>]) -> Self {
        let hsm = Self::empty();
        let stores: Vec<_> = stores.iter().map(|store| store.toml(&hsm.spy_module())).collect();
        hsm.configure(&stores.concat());
        hsm
    }

    /// Creates a SoftHSM without a configuration.
    pub(crate) fn empty() -> Self {
        let hsm = Self { folder: tempfile::tempdir().unwrap(), counted: AtomicU64::new(0) };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("key-stores/spy.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-o"]).arg(hsm.spy_module()).arg(source);
        assert!(compile.status().unwrap().success());
        let tokens = hsm.path("tokens");
        fs::create_dir(&tokens).unwrap();
        let config = format!("directories.tokendir = {}\n", tokens.display());
        fs::write(hsm.path("softhsm2.conf"), config).unwrap();
        for (label, pin, file) in [("vault", PIN, "pin"), ("spare", SPARE_PIN, "spare.pin")] {
            hsm.make_token(label, pin);
            fs::write(hsm.path(file), pin).unwrap();
        }
        hsm
    }

    /// Initializes another token.
    pub(crate) fn make_token(&self, label: &str, pin: &str) {
        let mut token = self.softhsm();
        token.args(["--init-token", "--free", "--label", label, "--so-pin", "so-pin"]);
        let made = token.args(["--pin", pin]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.path("enclave.toml"), text).unwrap();
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the path of the module in the configuration of the stores.
    pub(crate) fn spy_module(&self) -> PathBuf {
        self.path("spy.so")
    }

    fn softhsm(&self) -> Command {
        let mut command = Command::new("softhsm2-util");
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf"));
        command
    }

    /// Returns the environment variables of the module.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("SOFTHSM2_CONF", self.path("softhsm2.conf")),
            ("SPY_MODULE", softhsm_module().into()),
            ("SPY_CONTROL", self.path("spy.control")),
            ("SPY_LOG", self.path("spy.log")),
        ]
    }

    /// Replaces the injected faults. `spy.c` describes their format.
    pub(crate) fn inject(&self, faults: &str) {
        let (new, control) = (self.path("spy.control.new"), self.path("spy.control"));
        fs::write(&new, faults).unwrap();
        fs::rename(new, control).unwrap();
    }

    /// Makes the next call of `function` return `rv`.
    pub(crate) fn inject_once(&self, function: &str, rv: u64) {
        self.inject_times(function, rv, 1);
    }

    /// Makes the next `times` calls of `function` return `rv`.
    pub(crate) fn inject_times(&self, function: &str, rv: u64, times: usize) {
        let count = self.counted.fetch_add(1, Ordering::Relaxed) + 1;
        self.inject(&format!("{function} return {rv} {count} {times}\n"));
    }

    /// Returns the calls of `function` that have returned so far.
    pub(crate) fn calls(&self, function: &str) -> Vec<Call> {
        self.calls_of(&[function])
    }

    /// Returns the calls of any of `functions` that have returned so far, in order.
    pub(crate) fn calls_of(&self, functions: &[&str]) -> Vec<Call> {
        // The file does not exist before the first call.
        let log = fs::read_to_string(self.path("spy.log")).unwrap_or_default();
        let calls = log.lines().map(|line| {
            let [function, rv, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let bytes = const_hex::decode(bytes).unwrap();
            Call { function: function.to_owned(), rv: rv.parse().unwrap(), bytes }
        });
        calls.filter(|call| functions.contains(&call.function.as_str())).collect()
    }

    /// Returns the return code of each call of `function`.
    pub(crate) fn return_codes(&self, function: &str) -> Vec<u64> {
        self.calls(function).iter().map(|call| call.rv).collect()
    }

    /// Returns the slot of the token.
    pub(crate) fn slot(&self, label: &str) -> String {
        let shown = self.softhsm().arg("--show-slots").output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let slots = shown.split("\nSlot ").find(|slot| {
            let mut lines = slot.lines().map(str::trim);
            lines.any(|line| line.strip_prefix("Label:").is_some_and(|is| is.trim() == label))
        });
        slots.unwrap().lines().next().unwrap().to_owned()
    }

    /// Moves the token away, so that SoftHSM does not find it.
    pub(crate) fn remove_token(&self, label: &str) {
        let token = self.token(label);
        fs::rename(token, self.path(label)).unwrap();
    }

    /// Moves the token back.
    pub(crate) fn restore_token(&self, label: &str) {
        fs::rename(self.path(label), self.path("tokens").join(label)).unwrap();
    }

    /// Returns the folder of the token. SoftHSM names it after the serial number.
    fn token(&self, label: &str) -> PathBuf {
        let holds = |folder: &PathBuf| {
            let object = fs::read(folder.join("token.object")).unwrap();
            object.windows(label.len()).any(|part| part == label.as_bytes())
        };
        let folders = fs::read_dir(self.path("tokens")).unwrap();
        folders.map(|entry| entry.unwrap().path()).find(holds).unwrap()
    }
}

/// Returns the path of SoftHSM's module, which must be installed.
pub(crate) fn softhsm_module() -> &'static str {
    static MODULE: OnceLock<String> = OnceLock::new();
    MODULE.get_or_init(|| {
        let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("key-stores/setup.sh");
        let found = Command::new(setup).arg("--check").output().unwrap();
        assert!(
            found.status.success(),
            "SoftHSM is not installed: run make test (or tests/suite/key-stores/setup.sh)"
        );
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    })
}
