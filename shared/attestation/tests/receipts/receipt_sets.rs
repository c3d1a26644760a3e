//! Sets of stored exchanges.

use attestation::KeyId;
use attestation::receipt::{ReceiptError, ReceiptSet, ReceiptStep};

use crate::test_enclave::TestExchange;

#[test]
fn set_has_each_key_and_number_once() {
    let receipt = TestExchange::new().receipt;
    let (one, other) = (KeyId([1; 32]), KeyId([2; 32]));
    let mut set = ReceiptSet::default();
    assert_eq!(set.add(one, &receipt), Ok(()));
    assert_eq!(set.add(other, &receipt), Ok(()), "another key");
    let next = TestExchange::with(|exchange| exchange.receipt.sequence += 1).receipt;
    assert_eq!(set.add(one, &next), Ok(()), "another number");
    let error = ReceiptError::RepeatedSequence { key_id: one, sequence: 4 };
    assert_eq!(error.step(), ReceiptStep::Binding);
    let later = TestExchange::with(|exchange| exchange.receipt.nonce = &[7; 32]).receipt;
    assert_eq!(set.add(one, &later), Err(error), "the rest of the receipt does not matter");
}
