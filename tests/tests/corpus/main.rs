//! The corpus of hostile input: what must be refused and by which rule, and what looks hostile and
//! must be accepted. Each row is a test named by its id; the summary at the end counts them.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod a_cose;
mod a_encoding;
mod answer;
mod b_payload;
mod c_certificates;
mod c_chain;
mod cbor;
mod cose;
mod d_key;
mod payload;
mod row;
mod stage;
mod summary;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use row::Row;
use summary::Summary;

fn rows() -> Vec<Row> {
    [
        a_cose::rows(),
        a_encoding::rows(),
        b_payload::rows(),
        c_chain::rows(),
        c_certificates::rows(),
        d_key::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let summary = Arc::new(Summary::default());
    let rows = rows();
    let total = rows.len();
    let trials = rows.into_iter().map(|row| {
        let summary = Arc::clone(&summary);
        let name = row.name();
        Trial::test(name, move || {
            row.run(&summary);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    summary.print(total);
    conclusion.exit_code()
}
