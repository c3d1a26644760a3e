//! A decoder for an enclave's own document. QEMU does not sign documents, so the decoder verifies
//! nothing.

use std::collections::BTreeMap;

use attestation::Identity;
use ciborium::Value;

pub(crate) struct EnclaveDocument {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pcrs: BTreeMap<u8, Vec<u8>>,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) user_data: Option<Vec<u8>>,
    pub(crate) public_key: Option<Vec<u8>>,
    pub(crate) signature: Vec<u8>,
}

impl EnclaveDocument {
    pub(crate) fn read(bytes: Vec<u8>) -> Self {
        let envelope: Value = ciborium::from_reader(&bytes[..]).unwrap();
        let envelope = match envelope {
            Value::Tag(18, envelope) => *envelope,
            untagged => untagged,
        };
        let [_, _, payload, signature] = &envelope.as_array().unwrap()[..] else {
            panic!("the envelope does not have four elements")
        };
        let payload: Value = ciborium::from_reader(&payload.as_bytes().unwrap()[..]).unwrap();
        let field = |name: &str| {
            let mut fields = payload.as_map().unwrap().iter();
            let found = fields.find(|(key, _)| key.as_text() == Some(name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_null())
        };
        let bytes_of = |value: Value| value.as_bytes().unwrap().clone();
        let pcrs = field("pcrs").unwrap().into_map().unwrap().into_iter().map(|(index, value)| {
            let index: i128 = index.as_integer().unwrap().into();
            (u8::try_from(index).unwrap(), bytes_of(value))
        });
        Self {
            pcrs: pcrs.collect(),
            nonce: field("nonce").map(bytes_of),
            user_data: field("user_data").map(bytes_of),
            public_key: field("public_key").map(bytes_of),
            signature: signature.as_bytes().unwrap().clone(),
            bytes,
        }
    }

    /// Returns the identity that `user_data` contains.
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_user_data(self.user_data.as_deref().unwrap()).unwrap()
    }
}
