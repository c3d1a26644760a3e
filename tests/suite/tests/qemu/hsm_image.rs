//! Two HSMs for an enclave. One is SoftHSM2 in the enclave's image. The other is a copy of SoftHSM2
//! behind a module that first connects to a host, like the module of a networked HSM.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use crate::configuration::Configuration;
use crate::guests::modules;
use crate::virtual_machine::setting;

/// The key stores on the local module and on the networked module.
pub(crate) const LOCAL_STORE: &str = "cks-local";
pub(crate) const NETWORKED_STORE: &str = "cks-networked";

/// The vsock port of the parent for the egress route.
pub(crate) const PARENT_PORT: u32 = 8101;

/// The PIN of the token's user.
const PIN: &str = "canary-pin-5678";

/// The path of SoftHSM2 on Debian.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The path of a copy for the other store, because a loaded module has only one state.
const SOFTHSM_COPY: &str = "/opt/networked/libsofthsm2.so";
const NETWORKED_MODULE: &str = "/opt/networked/module.so";

/// The default path of SoftHSM2's configuration.
const SOFTHSM_CONF: &str = "/etc/softhsm/softhsm2.conf";
const TOKENS: &str = "/var/lib/softhsm/tokens";

/// Returns the configuration with the two stores and the routes.
pub(crate) fn configuration() -> Configuration {
    let store = |id: &str, module: &str, cluster: &str| {
        format!(
            "[[key_store]]\nid = \"{id}\"\nname = \"{id}\"\ntype = \"AWS_CLOUDHSM\"\n\
             module = \"{module}\"\ntoken_label = \"vault\"\npin_file = \"pin\"\n\
             cluster_id = \"{cluster}\"\ndeadline_ms = 10000\n"
        )
    };
    let route = |address: &str, port: u32| {
        format!("[[egress]]\naddress = \"{address}\"\nparent_port = {port}\n")
    };
    // The second route has no peer. The route shows that the kernel accepts a listener at such an
    // address.
    let routes = [route("10.77.0.5:2223", PARENT_PORT), route("[fd77::5]:2223", 8102)].concat();
    let local = store(LOCAL_STORE, SOFTHSM, "cluster-1a23b4cdefg");
    let networked = store(NETWORKED_STORE, NETWORKED_MODULE, "cluster-2b34c5defgh");
    Configuration::with_key_stores(&[routes, local, networked].concat(), PIN)
}

/// An image with the modules, built by the documented procedure. The files of the image are removed
/// on drop.
pub(crate) struct HsmImage(TempDir);

impl HsmImage {
    pub(crate) fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        networked_module(folder.path());
        let mut files = vec![
            file(SOFTHSM, Path::new(SOFTHSM)),
            file(SOFTHSM_COPY, Path::new(SOFTHSM)),
            // A relative path, which the build resolves in its working directory.
            file(NETWORKED_MODULE, Path::new("module.so")),
        ];
        let tokens = folder.path().join("tokens");
        files.push(file(SOFTHSM_CONF, &softhsm_conf(folder.path(), "image.conf", TOKENS)));
        files.extend(token(folder.path(), &tokens));

        let modules: Vec<_> = modules().iter().map(|module| text(module).to_owned()).collect();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/eif/build.sh");
        let mut build = Command::new(script);
        build
            .current_dir(folder.path())
            .env("CARGO_TARGET_DIR", folder.path())
            .env("ENCLAVE", setting("PKCS11_ENCLAVE"))
            .env("TOOL", suite::binary("attested-recipient"))
            .env("KERNEL", setting("KERNEL_DIR").join("vmlinuz"))
            .env("MODULES", modules.join(" "))
            .env("FILES", files.join(" "))
            .env("PKCS11", "yes");
        succeed(&mut build);
        Self(folder)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.0.path().join("eif/pkcs11/enclave.eif")
    }
}

/// Initialises a token and returns its files.
fn token(folder: &Path, tokens: &Path) -> Vec<String> {
    fs::create_dir(tokens).unwrap();
    let mut softhsm = Command::new("softhsm2-util");
    softhsm.env("SOFTHSM2_CONF", softhsm_conf(folder, "host.conf", text(tokens)));
    softhsm.args(["--init-token", "--free", "--label", "vault", "--so-pin", "1234", "--pin", PIN]);
    succeed(&mut softhsm);
    let [token] = &list(tokens)[..] else { panic!("expected one token") };
    let name = |file: &Path| format!("{TOKENS}/{}", text(file.strip_prefix(tokens).unwrap()));
    list(token).iter().map(|path| file(&name(path), path)).collect()
}

fn softhsm_conf(folder: &Path, name: &str, tokens: &str) -> PathBuf {
    let path = folder.join(name);
    let conf = format!("directories.tokendir = {tokens}\nobjectstore.backend = file\n");
    fs::write(&path, conf).unwrap();
    path
}

/// Compiles the networked module as `module.so`.
fn networked_module(folder: &Path) {
    let module = folder.join("module.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qemu/networked_hsm.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(&module).arg(source);
    compiler.arg(format!("-DNETWORKED_MODULE=\"{SOFTHSM_COPY}\""));
    succeed(&mut compiler);
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{error}: {command:?}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
}

fn list(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Formats an entry of `FILES`.
fn file(name: &str, path: &Path) -> String {
    format!("{}={}", name.strip_prefix('/').unwrap(), text(path))
}

/// A host that rejects its first connection and accepts all others.
pub(crate) struct NetworkedHsm {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl NetworkedHsm {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut greeting = [0; 6];
                if stream.read_exact(&mut greeting).is_ok() && greeting == *b"hello\n" {
                    let earlier = count.fetch_add(1, Ordering::SeqCst);
                    let response = if earlier == 0 { b"not now\n" } else { b"welcome\n" };
                    stream.write_all(response).unwrap();
                }
            }
        });
        Self { address, asked }
    }

    /// Returns the relay's egress route to this host.
    pub(crate) fn route(&self) -> [(u32, SocketAddr); 1] {
        [(PARENT_PORT, self.address)]
    }

    /// Returns the number of connections.
    pub(crate) fn connection_count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
