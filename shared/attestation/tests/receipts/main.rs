//! Tests of the checklist of receipts: each test breaks one step, or two steps whose order it checks. The
//! simulator signs the documents.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic fails the test")]

mod documents;
mod exchanges;
mod form;
mod order;
mod receipt_sets;
mod statement;
mod stored;
mod test_enclave;
