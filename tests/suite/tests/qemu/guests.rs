//! The enclaves of the checks. Each enclave is booted at its first use.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tempfile::TempDir;

use crate::configuration::Configuration;
use crate::tls_guest::{Authority, TlsGuest};
use crate::virtual_machine::{Boot, VirtualMachine, setting};

/// Traces each system call that creates or uses a socket, with the socket's family.
const TRACE: &str = "loglevel=8 tp_printk trace_event=syscalls:sys_enter_socket,\
                     syscalls:sys_enter_socketpair,syscalls:sys_enter_bind,\
                     syscalls:sys_enter_listen,syscalls:sys_enter_connect";

#[derive(Default)]
pub(crate) struct Guests {
    configuration: OnceLock<Configuration>,
    first: OnceLock<Mutex<Option<VirtualMachine>>>,
    second: OnceLock<Mutex<Option<VirtualMachine>>>,
    tls_configuration: OnceLock<Configuration>,
    tls: OnceLock<Mutex<Option<TlsGuest>>>,
    /// The authority of the TLS enclave, kept after it stops.
    authority: OnceLock<Arc<Authority>>,
    /// Random bytes of the first enclave and of the TLS enclave.
    responses: Mutex<Vec<Vec<u8>>>,
    /// Consoles of the traced enclaves.
    consoles: Mutex<Vec<String>>,
}

impl Guests {
    pub(crate) fn configuration(&self) -> &Configuration {
        self.configuration.get_or_init(Configuration::without_tls)
    }

    /// Returns the image of `make eif` with its configuration from the parent, booted.
    pub(crate) fn first(&self) -> MutexGuard<'_, Option<VirtualMachine>> {
        lock(self.first.get_or_init(|| {
            let (image, archive) = (image(), self.configuration().archive());
            let boot = Boot { config: Some(&archive), ..Boot::new(&image) };
            Mutex::new(Some(boot.boot_to_service()))
        }))
    }

    /// Returns the same image, booted with a configuration that differs in one byte.
    pub(crate) fn second(&self) -> MutexGuard<'_, Option<VirtualMachine>> {
        lock(self.second.get_or_init(|| {
            drop(self.first().take());
            self.configuration().change_a_byte();
            let archive = self.configuration().archive();
            let (image, config) = (image(), Some(&*archive));
            let boot = Boot { config, append: TRACE, ..Boot::new(&image) };
            Mutex::new(Some(boot.boot_to_service()))
        }))
    }

    pub(crate) fn tls_configuration(&self) -> &Configuration {
        self.tls_configuration.get_or_init(Configuration::with_tls)
    }

    /// Returns the image of `make eif` with a TLS configuration from the parent, booted.
    pub(crate) fn tls(&self) -> MutexGuard<'_, Option<TlsGuest>> {
        lock(self.tls.get_or_init(|| {
            let (image, archive) = (image(), self.tls_configuration().archive());
            let boot = Boot { config: Some(&archive), ..Boot::new(&image) };
            let guest = TlsGuest::new(boot.boot_to_service());
            self.authority.get_or_init(|| Arc::clone(&guest.authority));
            Mutex::new(Some(guest))
        }))
    }

    pub(crate) fn earlier_authority(&self) -> &Authority {
        self.authority.get().expect("a TLS enclave must have run before")
    }

    /// Stores responses for comparison.
    pub(crate) fn keep(&self, responses: impl IntoIterator<Item = Vec<u8>>) {
        lock(&self.responses).extend(responses);
    }

    pub(crate) fn responses(&self) -> Vec<Vec<u8>> {
        lock(&self.responses).clone()
    }

    pub(crate) fn keep_console(&self, console: String) {
        lock(&self.consoles).push(console);
    }

    pub(crate) fn consoles_of_traced(&self) -> Vec<String> {
        lock(&self.consoles).clone()
    }

    /// Boots an image that contains a TLS configuration, with socket tracing.
    pub(crate) fn traced(&self) -> (TlsGuest, BuiltImage) {
        let archive = self.tls_configuration().archive();
        let built = BuiltImage::with(&modules(), &["--config", "/config.tar"], Some(&archive));
        let append = format!("{TRACE},syscalls:sys_enter_ioctl");
        let machine = Boot { append: &append, ..Boot::new(&built.image()) }.boot_to_service();
        (TlsGuest::new(machine), built)
    }
}

/// Locks a value. Ignores poisoning, so that the other checks run after a failed check.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the image of `make eif`.
pub(crate) fn image() -> PathBuf {
    setting("EIF").join("enclave.eif")
}

/// Returns the kernel modules of the image, in order.
pub(crate) fn modules() -> Vec<PathBuf> {
    let mut modules: Vec<_> = fs::read_dir(setting("KERNEL_DIR"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ko"))
        .collect();
    modules.sort();
    modules
}

/// An image built for one test.
pub(crate) struct BuiltImage(TempDir);

impl BuiltImage {
    pub(crate) fn with(modules: &[PathBuf], arguments: &[&str], config: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = suite::command();
        command.args(["build-eif", "--cmdline", "reboot=k panic=30 console=ttyS0 quiet"]);
        command.arg("--kernel").arg(setting("KERNEL_DIR").join("vmlinuz"));
        for module in modules {
            command.arg("--module").arg(module);
        }
        command.arg("--enclave").arg(setting("ENCLAVE"));
        let listeners =
            ["--listen", "vsock:4294967295:5000", "--admin-listen", "vsock:4294967295:5002"];
        for argument in listeners.iter().chain(arguments) {
            command.arg(format!("--argument={argument}"));
        }
        if let Some(config) = config {
            command.arg("--file").arg(format!("config.tar={}", config.display()));
        }
        command.args(["--commit", "test", "--toolchain", "test", "--out"]);
        command.arg(folder.path().join("e.eif"));
        command.arg("--pcrs").arg(folder.path().join("p.json"));
        assert!(command.status().unwrap().success());
        Self(folder)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.0.path().join("e.eif")
    }

    pub(crate) fn pcrs(&self) -> PathBuf {
        self.0.path().join("p.json")
    }
}
