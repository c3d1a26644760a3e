//! Compares our CBOR decoder with two others: serde_cbor, through AWS's crate for documents, and
//! ciborium. Both others accept more payloads than ours, so only payloads that ours accepts are
//! compared.

use std::collections::BTreeMap;

use attestation::{Claims, PcrFamily};
use aws_nitro_enclaves_nsm_api::api::AttestationDoc;
use ciborium::Value;

use crate::shortest_form;

/// Checks that the other decoders accept the payload and read the same values as ours.
pub(crate) fn compare(claims: &Claims<'_>, payload: &[u8]) {
    assert!(shortest_form::skip_item(payload).is_empty(), "bytes follow the map");
    ciborium(claims, payload);
    // AWS's type has no field for the PCRs of a NitroTPM.
    if claims.pcrs().family() == PcrFamily::NitroEnclave {
        nsm_api(claims, payload);
    }
}

fn registers(claims: &Claims<'_>) -> BTreeMap<usize, Vec<u8>> {
    claims.pcrs().iter().map(|(index, value)| (index, value.to_vec())).collect()
}

fn nsm_api(claims: &Claims<'_>, payload: &[u8]) {
    let AttestationDoc {
        module_id,
        digest: _,
        timestamp,
        pcrs,
        certificate,
        cabundle,
        public_key,
        user_data,
        nonce,
    } = AttestationDoc::from_binary(payload).expect("serde_cbor accepts the payload");
    assert_eq!(module_id, claims.module_id());
    assert_eq!(timestamp, claims.timestamp().as_millis());
    let pcrs: BTreeMap<_, _> =
        pcrs.into_iter().map(|(index, value)| (index, value.into_vec())).collect();
    assert_eq!(pcrs, registers(claims));
    assert_eq!(certificate, claims.certificate());
    assert!(cabundle.iter().map(|der| &der[..]).eq(claims.cabundle()));
    assert_eq!(public_key.as_deref().map(Vec::as_slice), claims.public_key());
    assert_eq!(user_data.as_deref().map(Vec::as_slice), claims.user_data());
    assert_eq!(nonce.as_deref().map(Vec::as_slice), claims.nonce());
}

fn ciborium(claims: &Claims<'_>, payload: &[u8]) {
    let mut rest = payload;
    let value: Value = ciborium::from_reader(&mut rest).expect("ciborium accepts the payload");
    assert!(rest.is_empty(), "ciborium leaves {} bytes", rest.len());
    let fields = value.as_map().expect("a map");
    let field = |name: &str| {
        let mut found = fields.iter().filter(|(key, _)| key.as_text() == Some(name));
        let (_, value) = found.next()?;
        assert!(found.next().is_none(), "duplicate field {name}");
        (!value.is_null()).then_some(value)
    };
    let bytes = |name: &str| field(name).map(|value| &value.as_bytes().expect("bytes")[..]);
    assert_eq!(field("module_id").and_then(Value::as_text), Some(claims.module_id()));
    assert_eq!(field("digest").and_then(Value::as_text), Some("SHA384"));
    let timestamp = field("timestamp").and_then(Value::as_integer).map(i128::from);
    assert_eq!(timestamp, Some(i128::from(claims.timestamp().as_millis())));
    assert_eq!(bytes("certificate"), Some(claims.certificate()));
    assert_eq!(bytes("public_key"), claims.public_key());
    assert_eq!(bytes("user_data"), claims.user_data());
    assert_eq!(bytes("nonce"), claims.nonce());
    let cabundle = field("cabundle").and_then(Value::as_array).expect("a list");
    assert!(cabundle.iter().map(|der| &der.as_bytes().expect("bytes")[..]).eq(claims.cabundle()));
    assert_eq!(field(claims.pcrs().family().field()).map(pcrs), Some(registers(claims)));
}

fn pcrs(value: &Value) -> BTreeMap<usize, Vec<u8>> {
    let entries = value.as_map().expect("a map").iter();
    let entry = |(index, value): &(Value, Value)| {
        let index = index.as_integer().and_then(|index| usize::try_from(index).ok());
        (index.expect("an index"), value.as_bytes().expect("bytes").clone())
    };
    entries.map(entry).collect()
}
