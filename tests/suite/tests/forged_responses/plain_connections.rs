//! Attacks of a relay on connections without TLS. Only the receipt makes a response authentic.

use std::sync::Mutex;

use attested_recipient::{Document, RecipientKey, Simulator};

use crate::clients::Message;
use crate::forging_relay::{ForgingRelay, exchange};
use crate::victims::ClientKind;

const RECEIPT: &str = "x-attested-random-receipt";

/// Asserts that each client accepts the first response of the relay, which is genuine, and rejects the
/// second response for this reason. Both requests are equal except for the nonce.
fn assert_second_response_is_rejected(
    simulator: &Simulator,
    forge: impl Fn(&Message, Message) -> Message + Clone + Send + Sync + 'static,
    reason: &str,
) {
    let document = simulator.document(&Document::for_key(&RecipientKey::generate().unwrap()));
    let document = document.unwrap();
    for kind in ClientKind::ALL {
        let (forge, genuine) = (forge.clone(), Mutex::new(true));
        let relay = ForgingRelay::in_front_of(simulator.address(), move |request, response| {
            match std::mem::take(&mut *genuine.lock().unwrap()) {
                true => response,
                false => forge(request, response),
            }
        });
        let victim = kind.start(&relay.url());
        victim.random(Some(&document)).unwrap();
        victim.assert_rejects(Some(&document), reason);
    }
}

#[test]
fn clients_accept_genuine_responses_through_a_relay() {
    let simulator = Simulator::start().unwrap();
    let relay = ForgingRelay::in_front_of(simulator.address(), |_, response| response);
    for kind in ClientKind::ALL {
        let victim = kind.start(&relay.url());
        let [first, second] = [(); 2].map(|()| victim.random(None).unwrap());
        assert_eq!((first.len(), second.len()), (32, 32));
        assert_ne!(first, second);
    }
}

#[test]
fn clients_reject_an_old_response_to_the_same_request() {
    let simulator = Simulator::start().unwrap();
    for kind in ClientKind::ALL {
        let old = Mutex::new(None);
        let relay = ForgingRelay::in_front_of(simulator.address(), move |_, response| {
            old.lock().unwrap().get_or_insert(response).clone()
        });
        let document = simulator.document(&Document::for_key(&RecipientKey::generate().unwrap()));
        let document = document.unwrap();
        let victim = kind.start(&relay.url());
        victim.random(Some(&document)).unwrap();
        victim.assert_rejects(Some(&document), "the receipt has another nonce than this request");
    }
}

#[test]
fn clients_reject_the_receipt_of_another_response() {
    let simulator = Simulator::start().unwrap();
    let enclave = simulator.address();
    let forge = move |request: &Message, mut response: Message| {
        // The same nonce and the same request, so only the digest of the response differs.
        let other = exchange(enclave, request);
        for name in [RECEIPT, "x-amzn-requestid"] {
            response.set_header(name, other.header(name).unwrap());
        }
        response
    };
    assert_second_response_is_rejected(&simulator, forge, "the receipt is of another response");
}

#[test]
fn clients_reject_the_response_to_another_request() {
    let simulator = Simulator::start().unwrap();
    let enclave = simulator.address();
    let forge = move |request: &Message, _: Message| {
        let mut other = request.clone();
        other.set_body(br#"{"NumberOfBytes":32}"#.to_vec());
        exchange(enclave, &other)
    };
    assert_second_response_is_rejected(&simulator, forge, "the receipt is of another request");
}

#[test]
fn clients_reject_the_receipt_of_another_enclave() {
    let (simulator, other) = (Simulator::start().unwrap(), Simulator::start().unwrap());
    let other_enclave = other.address();
    let forge = move |request: &Message, _: Message| {
        let mut plain = request.clone();
        plain.set_body(br#"{"NumberOfBytes":32}"#.to_vec());
        // The other enclave rejects the document, because it has another root.
        exchange(other_enclave, &plain)
    };
    let reason = "the receipt key of the enclave's document: another enclave signed it";
    assert_second_response_is_rejected(&simulator, forge, reason);
}

#[test]
fn clients_reject_a_response_without_its_receipt() {
    let simulator = Simulator::start().unwrap();
    let forge = |_: &Message, mut response: Message| {
        response.remove_header(RECEIPT);
        response
    };
    assert_second_response_is_rejected(&simulator, forge, "the response has no receipt");
}

#[test]
fn clients_reject_status_201_with_a_valid_receipt() {
    let simulator = Simulator::start().unwrap();
    let forge = |_: &Message, mut response: Message| {
        response.head[0] = "HTTP/1.1 201 Created\r\n".to_owned();
        response
    };
    assert_second_response_is_rejected(
        &simulator,
        forge,
        "the status 201 is not that of an answer",
    );
}
