//! Checks of enclaves that must fail to boot.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::guests::{BuiltImage, Guests, image, modules};
use crate::hsm_image;
use crate::virtual_machine::Boot;

/// Asserts that the enclave stops, and that its console contains this message.
fn assert_stops(boot: &Boot<'_>, expected: &str) {
    let console = boot.boot_to_end();
    assert!(console.contains("ERROR enclave stops: "), "{console}");
    assert!(console.contains(expected), "{console}");
    assert!(!console.contains("listening on vsock"), "{console}");
}

pub(super) fn without_nsm(guests: &Guests) {
    let mut modules = modules();
    modules.retain(|module| !module.to_string_lossy().contains("nsm"));
    assert_eq!(modules.len(), 4);
    let built = BuiltImage::with(&modules, &["--config-from-parent", "5001"], None);
    let archive = guests.configuration().archive();
    let image = built.image();
    let boot = Boot { config: Some(&archive), ..Boot::new(&image) };
    assert_stops(&boot, "the Nitro Secure Module /dev/nsm cannot be opened");
}

pub(super) fn with_zero_entropy(guests: &Guests) {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("zeros.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qemu/zero_nsm.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().unwrap().success());
    let archive = guests.configuration().archive();
    let image = image();
    let boot = Boot { config: Some(&archive), preload: Some(&library), ..Boot::new(&image) };
    assert_stops(&boot, "the NSM is unhealthy until this service is restarted");
}

pub(super) fn with_invalid_configuration(guests: &Guests) {
    let archive = guests.configuration().archive();
    let mut bytes = fs::read(&archive).unwrap();
    // The changed byte is in the file mode of the first entry, so the checksum of the entry is
    // wrong.
    bytes[105] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("config.tar");
    fs::write(&changed, bytes).unwrap();
    let image = image();
    let boot = Boot { config: Some(&changed), ..Boot::new(&image) };
    assert_stops(&boot, "(parent): not a tar archive");
}

pub(super) fn without_heartbeat(guests: &Guests) {
    let archive = guests.configuration().archive();
    // No process listens at this CID.
    let image = image();
    let boot = Boot { config: Some(&archive), append: "parent_cid=7", ..Boot::new(&image) };
    assert_stops(&boot, "the heartbeat with the parent instance (CID 7, port 9000) failed: ");
}

/// Uses the default image. Its binary is static and does not support PKCS#11.
pub(super) fn with_a_key_store(_boots: &Guests) {
    let (image, configuration) = (image(), hsm_image::configuration());
    let archive = configuration.archive();
    let boot = Boot { config: Some(&archive), ..Boot::new(&image) };
    assert_stops(&boot, "[[key_store]] number 1: this program was built without PKCS#11");
}
