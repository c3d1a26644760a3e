//! Payloads of documents. A row changes single fields of a payload and then signs the payload.

use simulator::DocumentBuilder;

use crate::harness::cbor;
use crate::harness::service::{LEAF, NOW, valid_document};

/// The encoded keys and values of a payload, in AWS's order of the fields.
#[derive(Clone)]
pub(crate) struct Payload {
    forgery: DocumentBuilder,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Encodes the PCRs 0 to `count` - 1. No value is zero.
pub(crate) fn pcrs(count: u64) -> Vec<u8> {
    let entries: Vec<_> =
        (0..count).map(|index| (cbor::unsigned(index), cbor::filled(48))).collect();
    cbor::map(&entries)
}

/// Encodes a map that contains one PCR.
pub(crate) fn one_pcr(index: &[u8], value: Vec<u8>) -> Vec<u8> {
    cbor::map(&[(index.to_vec(), value)])
}

impl Payload {
    pub(crate) fn valid() -> Self {
        let forgery = valid_document();
        let certificates = forgery.certificates().unwrap();
        let cabundle: Vec<Vec<u8>> =
            certificates[..LEAF].iter().map(|der| cbor::bytes(der)).collect();
        let public_key = forgery.document.public_key.as_ref().unwrap();
        let fields = [
            ("module_id", cbor::text("simulated")),
            ("digest", cbor::text("SHA384")),
            ("timestamp", cbor::unsigned(NOW.as_millis())),
            ("pcrs", pcrs(16)),
            ("certificate", cbor::bytes(&certificates[LEAF])),
            ("cabundle", cbor::array(&cabundle)),
            ("public_key", cbor::bytes(public_key)),
            ("user_data", cbor::bytes(b"user data")),
            ("nonce", cbor::bytes(b"nonce")),
        ];
        let fields = fields.map(|(name, value)| (cbor::text(name), value)).to_vec();
        Self { forgery, fields }
    }

    pub(crate) fn names() -> [&'static str; 9] {
        [
            "module_id",
            "digest",
            "timestamp",
            "pcrs",
            "certificate",
            "cabundle",
            "public_key",
            "user_data",
            "nonce",
        ]
    }

    fn position(&self, name: &str) -> usize {
        self.fields.iter().position(|(key, _)| *key == cbor::text(name)).unwrap()
    }

    pub(crate) fn value(&self, name: &str) -> &[u8] {
        &self.fields[self.position(name)].1
    }

    pub(crate) fn set(mut self, name: &str, value: Vec<u8>) -> Self {
        let position = self.position(name);
        self.fields[position].1 = value;
        self
    }

    pub(crate) fn rename(mut self, name: &str, key: Vec<u8>) -> Self {
        let position = self.position(name);
        self.fields[position].0 = key;
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.remove(self.position(name));
        self
    }

    /// Appends a field.
    pub(crate) fn with(mut self, key: Vec<u8>, value: Vec<u8>) -> Self {
        self.fields.push((key, value));
        self
    }

    /// Encodes the payload as a map of definite length.
    pub(crate) fn encode(&self) -> Vec<u8> {
        cbor::map(&self.fields)
    }

    /// Encodes the payload as a map of indefinite length.
    pub(crate) fn encode_indefinite(&self) -> Vec<u8> {
        [&[0xbf], &cbor::concat(&self.fields)[..], &cbor::BREAK].concat()
    }

    /// Encodes the payload as a map of definite length and signs it.
    pub(crate) fn sign(&self) -> Vec<u8> {
        self.sign_as(&self.encode())
    }

    /// Signs `payload` with this chain's leaf.
    pub(crate) fn sign_as(&self, payload: &[u8]) -> Vec<u8> {
        self.forgery.sign_payload(payload).unwrap()
    }

    /// Returns the offset of the field's value in the document.
    pub(crate) fn offset_of_value(&self, name: &str) -> usize {
        let position = self.position(name);
        let before = cbor::concat(&self.fields[..position]).len();
        self.offset_of_payload() + 1 + before + self.fields[position].0.len()
    }

    /// Returns the offset of the payload in the document.
    pub(crate) fn offset_of_payload(&self) -> usize {
        let envelope = 1 + 5 + 1;
        envelope + cbor::bytes(&self.encode()).len() - self.encode().len()
    }

    /// Returns the offset of the last field's key in the document.
    pub(crate) fn offset_of_last_key(&self) -> usize {
        let (_, before) = self.fields.split_last().unwrap();
        self.offset_of_payload() + 1 + cbor::concat(before).len()
    }
}
