//! Two other decoders for payloads that our decoder accepts: AWS's NSM crate, which uses
//! serde_cbor, and ciborium.

use std::collections::BTreeMap;

use attestation::{Claims, PcrFamily};
use aws_nitro_enclaves_nsm_api::api::{AttestationDoc, Digest};
use ciborium::Value;

/// Asserts that the other decoders accept `payload` and decode the same claims. Returns the number
/// of decoders that decoded the payload. Only ciborium decodes documents of a NitroTPM. ciborium
/// rejects some well-formed payloads, see [`has_number_below_128_bits`].
///
/// # Panics
/// Panics if a decoder rejects the payload or decodes other claims.
pub(crate) fn assert_agreement(payload: &[u8], claims: Claims<'_>) -> usize {
    let ours = DecodedPayload::from_claims(claims);
    let mut agreeing_decoders = 0;
    match ciborium::from_reader::<Value, _>(payload) {
        Ok(value) => {
            assert_eq!(
                DecodedPayload::from_ciborium(&value),
                ours,
                "ciborium decodes different values"
            );
            agreeing_decoders += 1;
        }
        Err(error) => assert!(
            has_number_below_128_bits(payload),
            "ciborium rejects a payload that ours accepts: {error}"
        ),
    }
    // The NSM crate does not support NitroTPM documents.
    if ours.family == PcrFamily::NitroEnclave.field() {
        match AttestationDoc::from_binary(payload) {
            Ok(document) => {
                assert_eq!(document.digest, Digest::SHA384);
                assert_eq!(
                    DecodedPayload::from_nsm_crate(document),
                    ours,
                    "the NSM crate decodes different values"
                );
                agreeing_decoders += 1;
            }
            Err(error) => panic!("the NSM crate rejects a payload that ours accepts: {error:?}"),
        }
    }
    agreeing_decoders
}

/// All fields of a payload, as one decoder returns them.
#[derive(Debug, PartialEq, Eq)]
struct DecodedPayload {
    module_id: String,
    timestamp: u64,
    family: &'static str,
    pcrs: BTreeMap<usize, Vec<u8>>,
    certificate: Vec<u8>,
    cabundle: Vec<Vec<u8>>,
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
}

impl DecodedPayload {
    fn from_claims(claims: Claims<'_>) -> Self {
        let pcrs = claims.pcrs();
        Self {
            module_id: claims.module_id().to_owned(),
            timestamp: claims.timestamp().as_millis(),
            family: pcrs.family().field(),
            pcrs: pcrs.iter().map(|(index, value)| (index, value.to_vec())).collect(),
            certificate: claims.certificate().to_vec(),
            cabundle: claims.cabundle().map(<[u8]>::to_vec).collect(),
            public_key: claims.public_key().map(<[u8]>::to_vec),
            user_data: claims.user_data().map(<[u8]>::to_vec),
            nonce: claims.nonce().map(<[u8]>::to_vec),
        }
    }

    fn from_nsm_crate(document: AttestationDoc) -> Self {
        Self {
            module_id: document.module_id,
            timestamp: document.timestamp,
            family: PcrFamily::NitroEnclave.field(),
            pcrs: document.pcrs.into_iter().map(|(i, value)| (i, value.into_vec())).collect(),
            certificate: document.certificate.into_vec(),
            cabundle: document.cabundle.into_iter().map(|bytes| bytes.into_vec()).collect(),
            public_key: document.public_key.map(|bytes| bytes.into_vec()),
            user_data: document.user_data.map(|bytes| bytes.into_vec()),
            nonce: document.nonce.map(|bytes| bytes.into_vec()),
        }
    }

    fn from_ciborium(payload: &Value) -> Self {
        let map = payload.as_map().unwrap();
        assert_eq!(field(map, "digest").and_then(Value::as_text), Some("SHA384"));
        let families = [PcrFamily::NitroEnclave, PcrFamily::NitroTpm].map(PcrFamily::field);
        let held: Vec<_> = families.into_iter().filter(|name| field(map, name).is_some()).collect();
        let [family] = held[..] else { panic!("{held:?}") };
        let pcrs = field(map, family).unwrap().as_map().unwrap();
        let decoded: BTreeMap<_, _> =
            pcrs.iter().map(|(index, value)| (integer(index), bytes(value))).collect();
        assert_eq!(decoded.len(), pcrs.len(), "a PCR occurs twice");
        Self {
            module_id: field(map, "module_id").unwrap().as_text().unwrap().to_owned(),
            timestamp: integer(field(map, "timestamp").unwrap()),
            family,
            pcrs: decoded,
            certificate: bytes(field(map, "certificate").unwrap()),
            cabundle: field(map, "cabundle")
                .unwrap()
                .as_array()
                .unwrap()
                .iter()
                .map(bytes)
                .collect(),
            public_key: field(map, "public_key").map(bytes),
            user_data: field(map, "user_data").map(bytes),
            nonce: field(map, "nonce").map(bytes),
        }
    }
}

/// Returns the field with this name, or `None` if the value is null. Asserts that the field occurs
/// at most once.
fn field<'a>(map: &'a [(Value, Value)], name: &str) -> Option<&'a Value> {
    let mut found = map.iter().filter(|(key, _)| key.as_text() == Some(name));
    let value = found.next().map(|(_, value)| value);
    assert!(found.next().is_none(), "{name} occurs twice");
    value.filter(|value| !value.is_null())
}

fn integer<T: TryFrom<i128>>(value: &Value) -> T {
    let number = i128::from(value.as_integer().unwrap());
    T::try_from(number).unwrap_or_else(|_| panic!("{number} is out of range"))
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_bytes().unwrap().clone()
}

/// Returns whether the payload contains tag 3 with a string of 16 bytes whose first bit is set.
/// Such a negative number is less than the minimum of i128. The number is well-formed, but ciborium
/// rejects it. The payload must be well-formed. The function reads its heads as in RFC 8949
/// appendix C.
fn has_number_below_128_bits(payload: &[u8]) -> bool {
    let mut rest = payload;
    while let [initial, after @ ..] = rest {
        let (major, additional) = (initial >> 5, initial & 0x1f);
        let width = match additional {
            24..=27 => 1 << (additional - 24),
            _ => 0,
        };
        let (argument, after) = after.split_at(width);
        let argument = match additional {
            0..=23 => additional.into(),
            _ => argument.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        // The bytes are tag 3, the head of a string of 16 bytes, and the first byte of the string.
        if *initial == 0xc3 && matches!(after, [0x50, first, ..] if first & 0x80 != 0) {
            return true;
        }
        let length = if matches!(major, 2 | 3) { usize::try_from(argument).unwrap() } else { 0 };
        rest = &after[length..];
    }
    false
}
