//! Tests with documents that AWS signed.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::fs;
use std::path::Path;

use attestation::time::UnixMillis;
use attestation::{
    ClockReading, DebugMode, MalformedDocument, MaxAge, PcrFamily, Production, RecipientKeyError,
    TrustAnchors, UntrustedDocument, UnverifiedDocument, VerifiedDocument, nsm_timestamp,
};

mod vectors;

/// File name, whether it is in debug mode, number of PCRs, and the length of its recipient key or the key's
/// error.
type Good = (&'static str, bool, usize, Result<usize, RecipientKeyError>);

const GOOD: [Good; 9] = [
    ("anjuna_2021_prod_rsa2048.bin", false, 16, Ok(256)),
    ("anjuna_2024_debug_rsa2048.bin", true, 16, Ok(256)),
    ("anjuna_2021_prod_nopk.bin", false, 16, Err(RecipientKeyError::Absent)),
    ("vaportpm_2026_nitrotpm.bin", false, 24, Err(RecipientKeyError::NotSpki)),
    ("fastcrypto_2025_prod_indef_pcr17.bin", false, 17, Err(RecipientKeyError::NotSpki)),
    ("dstack_2025_debug_indef.bin", true, 16, Err(RecipientKeyError::Absent)),
    ("nitrite_2024_prod_maxfields.bin", false, 16, Err(RecipientKeyError::NotSpki)),
    ("evervault_2023_prod_nonce256.bin", false, 16, Err(RecipientKeyError::Absent)),
    ("opc_2024_prod.bin", false, 16, Err(RecipientKeyError::NotSpki)),
];

fn read(vectors: &Path, name: &str) -> Vec<u8> {
    fs::read(vectors.join("attdocs").join(name)).unwrap()
}

fn at_document_time(
    bytes: &[u8],
    debug_mode: DebugMode,
) -> Result<VerifiedDocument<Production>, UntrustedDocument> {
    UnverifiedDocument::parse(bytes.to_vec())
        .unwrap()
        .verify_at_document_time(&TrustAnchors::aws_nitro(), debug_mode)
}

#[test]
fn aws_documents_verify_at_document_time() {
    let Some(vectors) = vectors::vectors("documents signed by AWS") else { return };
    for (name, debug, pcrs, key) in GOOD {
        let bytes = read(&vectors, name);
        let rejected = at_document_time(&bytes, DebugMode::Reject).err();
        assert_eq!(rejected, debug.then_some(UntrustedDocument::DebugMode), "{name}");
        let document = at_document_time(&bytes, DebugMode::Allow).unwrap();
        let claims = document.claims();
        // The unverified timestamp equals the verified one.
        assert_eq!(nsm_timestamp(&bytes), Ok(claims.timestamp()), "{name}");
        assert_eq!(claims.pcrs().iter().count(), pcrs, "{name}");
        let is_tpm = claims.pcrs().family() == PcrFamily::NitroTpm;
        assert_eq!(is_tpm, name.contains("nitrotpm"), "{name}");
        assert_eq!(document.recipient_key().map(|key| key.modulus_length()), key, "{name}");
    }
}

#[test]
fn aws_documents_have_expired() {
    let Some(vectors) = vectors::vectors("expired documents") else { return };
    let now = UnixMillis::from_rfc3339("2026-06-01T00:00:00Z").map(ClockReading::given).unwrap();
    for (name, ..) in GOOD {
        for max_age in [MaxAge::default(), MaxAge::Chain] {
            let rejected = UnverifiedDocument::parse(read(&vectors, name))
                .unwrap()
                .verify_live(&TrustAnchors::aws_nitro(), now, max_age, DebugMode::Allow)
                .unwrap_err();
            let expired = matches!(rejected, UntrustedDocument::CertificateExpired { .. });
            assert!(expired, "{name}: {rejected}");
        }
    }
}

#[test]
fn rejects_bad_documents_by_their_rule() {
    let Some(vectors) = vectors::vectors("bad documents") else { return };
    let bad_signature = read(&vectors, "eternis_2024_badsig.bin");
    let rejected = at_document_time(&bad_signature, DebugMode::Allow).unwrap_err();
    assert_eq!(rejected, UntrustedDocument::DocumentSignature);
    // The unprotected header is null instead of a map. The cabundle would be the next error.
    let self_signed = read(&vectors, "nitrite_selfsigned.bin");
    let rejected = UnverifiedDocument::parse(self_signed).unwrap_err();
    assert_eq!(rejected, MalformedDocument::UnprotectedHeader);
}

#[test]
fn rejects_aws_document_with_a_changed_bit() {
    let Some(vectors) = vectors::vectors("changed documents") else { return };
    let good = read(&vectors, "fastcrypto_2025_prod_indef_pcr17.bin");
    // Every 13th bit: all 36,424 bits would take minutes without optimization.
    for bit in (0..good.len() * 8).step_by(13) {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let accepted = UnverifiedDocument::parse(changed).is_ok_and(|document| {
            document.verify_at_document_time(&TrustAnchors::aws_nitro(), DebugMode::Allow).is_ok()
        });
        assert!(!accepted, "bit {bit}");
    }
}
