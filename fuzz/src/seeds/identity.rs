//! Seeds of the target for identities: every subset of the optional parts, and changed copies.

use attestation::{ConfigIdentity, Identity};

use super::mutations;

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let identities: Vec<_> = (0..8).map(|subset| identity(subset).to_user_data()).collect();
    let all = &identities[7];
    let (key, ca) = (part("tls-key", 0xab), part("tls-ca", 0xcd));
    let (key, ca) = (key.as_bytes(), ca.as_bytes());
    let twice = |part: &[u8]| mutations::replaced(all, part, &[part, part].concat());
    let mut inputs = vec![
        Vec::new(),
        format!("attested-random tls-ca/1 sha256:{}", "ab".repeat(32)).into_bytes(),
        mutations::replaced(all, b"/2", b"/3"),
        mutations::replaced(all, b" identity", b" recipient"),
        mutations::replaced(all, b" identity", b"  identity"),
        mutations::replaced(all, &[key, ca].concat(), &[ca, key].concat()),
        mutations::replaced(all, b"=12:", b"=012:"),
        mutations::replaced(all, b"=12:", b"=18446744073709551616:"),
        mutations::replaced(all, b"0404", b"0A04"),
        twice(key),
        twice(ca),
        [all, &b" other=1"[..]].concat(),
        [all, &b"\n"[..]].concat(),
        vec![0xff; 16],
    ];
    inputs.extend(mutations::mutated(all, 16));
    inputs.extend(identities);
    inputs
}

/// Returns an identity with the optional parts of the bits of `subset`.
fn identity(subset: u8) -> Identity {
    let config = ConfigIdentity { version: 12, digest: [0xef; 32] };
    Identity {
        receipt_key: [4; 65],
        tls_key: (subset & 1 != 0).then_some([0xab; 32]),
        tls_ca: (subset & 2 != 0).then_some([0xcd; 32]),
        config: (subset & 4 != 0).then_some(config),
    }
}

/// Returns an optional part with the space before it.
fn part(name: &str, byte: u8) -> String {
    format!(" {name}=sha256:{}", format!("{byte:02x}").repeat(32))
}
