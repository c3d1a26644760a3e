//! Tests that change one bit in the bytes of a stored exchange.

use attestation::receipt::{AllowedSources, ReceiptBytes};
use attested_recipient::{Expectations, MeasurementSets, Measurements, StoredExchange};

use crate::enclave::{Enclave, measurements_json, plain};

/// A part of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Request,
    Response,
    Receipt,
    Document,
}

fn expectations(enclave: &Enclave) -> Expectations {
    let set = Measurements::from_json(measurements_json(&[]).as_bytes()).unwrap().into_set("test");
    let sets = MeasurementSets::new(vec![set]).unwrap();
    Expectations::new(sets)
        .accept_simulators()
        .with_root_pem(enclave.root_pem().as_bytes())
        .unwrap()
}

fn part(exchange: &StoredExchange, part: Part) -> &[u8] {
    match part {
        Part::Request => exchange.request(),
        Part::Response => exchange.response(),
        Part::Receipt => exchange.receipt().as_bytes(),
        Part::Document => exchange.document(),
    }
}

/// Returns the exchange with one changed bit. Returns `None` if the changed receipt is not the text of a header.
fn change(exchange: &StoredExchange, changed: Part, position: usize) -> Option<StoredExchange> {
    let part = |part: Part| {
        let mut bytes = self::part(exchange, part).to_vec();
        if part == changed {
            bytes[position] ^= 1 << (position % 8);
        }
        bytes
    };
    let [request, response, receipt, document] =
        [Part::Request, Part::Response, Part::Receipt, Part::Document].map(part);
    let receipt = String::from_utf8(receipt).ok()?;
    StoredExchange::new(request, response, receipt, document).ok()
}

#[test]
fn changed_bit_in_any_part_is_rejected() {
    let enclave = Enclave::start();
    let exchange = enclave.exchange(&plain(), |_| ());
    let (expectations, sources) = (expectations(&enclave), AllowedSources::nsm());
    exchange.verify(&expectations, &sources).unwrap();
    // Each changed document costs several signatures.
    for (changed, step) in
        [(Part::Request, 1), (Part::Response, 1), (Part::Receipt, 1), (Part::Document, 5)]
    {
        for position in (0..part(&exchange, changed).len()).step_by(step) {
            let Some(other) = change(&exchange, changed, position) else { continue };
            let rejected = other.verify(&expectations, &sources);
            assert!(rejected.is_err(), "{changed:?}, byte {position}");
        }
    }
}

#[test]
fn command_rejects_changed_bit_in_each_part() {
    let enclave = Enclave::start();
    let exchange = enclave.exchange(&enclave.sealed(), |_| ());
    for (changed, check) in [
        (Part::Request, " 8 binding: the receipt is of another request"),
        (Part::Response, " 8 binding: the receipt is of another response"),
        // The last characters of a receipt are those of its signature.
        (Part::Receipt, " 7 signature: receipt: the signature does not verify"),
        (Part::Document, " 4 document: the enclave's document is rejected"),
    ] {
        let position = part(&exchange, changed).len() - 32;
        let mut changes = (position..).filter_map(|position| change(&exchange, changed, position));
        let is_base64 =
            |other: &StoredExchange| ReceiptBytes::from_header(other.receipt().as_bytes()).is_ok();
        let other = changes.find(is_base64).unwrap();
        let file = enclave.file("changed.json", &*other.to_json());
        enclave.verify(&[&file]).assert_rejects(check);
    }
}
