//! A fixed PKI, so that saved inputs stay valid. The PKI consists of five certificates, which are valid
//! from 2019 to 2049, and of their keys. This module also builds the documents that are valid under the
//! root.

use std::sync::OnceLock;

use attestation::cms::RecipientPrivateKey;
use attestation::time::UnixMillis;
use attestation::{PcrFamily, Simulated, TrustAnchors};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use simulator::{DocumentSpec, Key, default_pcrs};

/// The time at which every document of the fixture is signed and verified.
pub const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);

/// Private key of the recipient, PKCS#8 in PEM.
const RECIPIENT: &str = include_str!("../../tests/suite/keys/rsa-2048.pem");

const LEVELS: [&[u8]; 5] = [
    include_bytes!("../fixtures/root.pem"),
    include_bytes!("../fixtures/regional.pem"),
    include_bytes!("../fixtures/zonal.pem"),
    include_bytes!("../fixtures/instance.pem"),
    include_bytes!("../fixtures/leaf.pem"),
];

/// A certificate and its key.
#[derive(Debug)]
pub struct Level {
    /// The certificate, as DER.
    pub certificate: Vec<u8>,
    /// The private key of the certificate.
    pub key: Key,
}

impl Level {
    fn read(pem: &[u8]) -> Self {
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(pem).expect("the fixture is PEM");
        let certificate = CertificateDer::from_pem_slice(pem).expect("the fixture is PEM").to_vec();
        let key = Key::from_pkcs8(pkcs8.secret_pkcs8_der()).expect("the fixture's key is P-384");
        Self { certificate, key }
    }
}

/// Returns the chain, from the root to the leaf.
pub fn levels() -> &'static [Level; 5] {
    static CHAIN: OnceLock<[Level; 5]> = OnceLock::new();
    CHAIN.get_or_init(|| LEVELS.map(Level::read))
}

/// Returns the key that signs documents.
pub fn leaf_key() -> &'static Key {
    let [.., leaf] = levels();
    &leaf.key
}

/// Returns the certificates, from the root to the leaf.
pub fn certificates() -> [&'static [u8]; 5] {
    levels().each_ref().map(|level| &level.certificate[..])
}

/// Returns trust anchors that contain the fixture's root.
pub fn anchors() -> &'static TrustAnchors<Simulated> {
    static ANCHORS: OnceLock<TrustAnchors<Simulated>> = OnceLock::new();
    let [root, ..] = levels();
    ANCHORS.get_or_init(|| TrustAnchors::simulator_root(&root.certificate))
}

/// Returns the recipient's private key.
pub fn recipient() -> &'static RecipientPrivateKey {
    static KEY: OnceLock<RecipientPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| {
        RecipientPrivateKey::from_pem(RECIPIENT).expect("the fixture is a private key")
    })
}

/// Returns a document whose only optional field is the recipient's public key.
pub fn valid_spec() -> DocumentSpec {
    DocumentSpec {
        module_id: "simulated-i-00000000000000000-enc0000000000000000".to_owned(),
        timestamp: NOW,
        family: PcrFamily::NitroEnclave,
        pcrs: default_pcrs(PcrFamily::NitroEnclave),
        public_key: Some(recipient().public_key_der().to_vec()),
        user_data: None,
        nonce: None,
    }
}

/// Returns the payloads of documents that are valid under the fixture's root.
pub fn valid_payloads() -> &'static [Vec<u8>] {
    static PAYLOADS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PAYLOADS.get_or_init(|| {
        let zero = (0..3).map(|index| (index, [0; 48]));
        let debug = valid_spec().pcrs.into_iter().chain(zero).collect();
        let tpm = PcrFamily::NitroTpm;
        let (user_data, nonce) = (Some(vec![0x75; 1024]), Some(Vec::new()));
        let specs = [
            valid_spec(),
            DocumentSpec { public_key: None, user_data, nonce, ..valid_spec() },
            DocumentSpec { family: tpm, pcrs: default_pcrs(tpm), ..valid_spec() },
            DocumentSpec { pcrs: debug, ..valid_spec() },
        ];
        specs.iter().map(payload_with_chain).collect()
    })
}

/// Returns a payload with the fixture's chain.
pub fn payload_with_chain(spec: &DocumentSpec) -> Vec<u8> {
    let [cabundle @ .., leaf] = certificates();
    spec.payload(leaf, &cabundle)
}

/// Returns the envelope (RFC 9052 section 4.2) of a payload, with an invalid signature.
pub fn unsigned_document(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head: &[u8] = match payload.len() {
        0..=23 => &[0x40 | length[1]],
        24..=0xff => &[0x58, length[1]],
        _ => &[0x59, length[0], length[1]],
    };
    [&ENVELOPE[..], head, payload, &[0x58, 96], &[0x5a; 96]].concat()
}

/// The bytes encode the head of an array of four items, the protected header {1: -35}, and an empty
/// unprotected header.
const ENVELOPE: [u8; 7] = [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0];
