//! The target for identities: arbitrary bytes as the field `user_data` of an enclave's own document.

use attestation::{Identity, InvalidIdentity};
use sha2::{Digest, Sha256};

/// Checks that the text of a parsed identity is the input, and that its parts have their order. Checks that the
/// text of an error has a bounded length.
pub fn run(data: &[u8]) {
    match Identity::from_user_data(data) {
        Ok(identity) => check_identity(&identity, data),
        Err(error) => check_error(error, data),
    }
}

fn check_identity(identity: &Identity, data: &[u8]) {
    assert_eq!(identity.to_user_data(), data);
    assert!(data.is_ascii(), "a byte is not ASCII");
    let key_id: [u8; 32] = Sha256::digest(identity.receipt_key).into();
    assert_eq!(identity.key_id().0, key_id);
    let text = str::from_utf8(data).expect("ASCII is UTF-8");
    let names: Vec<&str> = text.split(' ').filter_map(|part| part.split('=').next()).collect();
    let present = [
        ("attested-random/2", true),
        ("identity", true),
        ("receipt", true),
        ("tls-key", identity.tls_key.is_some()),
        ("tls-ca", identity.tls_ca.is_some()),
        ("config", identity.config.is_some()),
    ];
    let present = present.into_iter().filter_map(|(name, is_present)| is_present.then_some(name));
    assert_eq!(names, present.collect::<Vec<_>>());
}

fn check_error(error: InvalidIdentity, data: &[u8]) {
    assert!(error.to_string().len() <= 300);
    if let InvalidIdentity::Part { number } = error {
        let parts = data.split(|byte| *byte == b' ').count();
        assert!((4..=parts).contains(&number), "part {number} of {parts}");
    }
}
