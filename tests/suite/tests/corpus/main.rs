//! The corpus of hostile input. A row has an id, such as `C07`, and a list of cases. A case is one
//! input and its expected result: rejection by a certain rule, or acceptance if the input only
//! looks hostile. Each row is a test with the id as its name. A summary at the end prints totals.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[path = "../binaries/mod.rs"]
#[allow(dead_code, reason = "other tests use the other items")]
mod binaries;
mod chunking;
#[path = "../../benches/flood/connection_flood.rs"]
mod connection_flood;
mod harness;
mod rows;
#[path = "../secret_leaks/secret_search.rs"]
mod secret_search;
#[path = "../../../../shared/attestation/tests/receipts/statement.rs"]
mod statement;
#[path = "../../../../shared/attestation/tests/receipts/test_enclave.rs"]
mod test_enclave;
mod verification_page;

use std::process::ExitCode;
use std::sync::Arc;

use attestation::crypto::OperationCounts;
use libtest_mimic::{Arguments, Trial};

use harness::log_capture;
use harness::row::Row;
use harness::summary::Summary;
use rows::{MODULES, Module};
use verification_page::RowIndex;

/// Returns all rows.
fn rows() -> Vec<Row> {
    rows_of(&MODULES)
}

/// Returns the rows of `modules`.
///
/// # Panics
/// Panics if a module has a row of another section, because [`section_of`] would not find that row.
fn rows_of<'a>(modules: impl IntoIterator<Item = &'a Module>) -> Vec<Row> {
    let mut all = Vec::new();
    for (letter, rows) in modules {
        let rows = rows();
        assert!(
            rows.iter().all(|row| row.id.starts_with(*letter)),
            "a row of another section among those of {letter}"
        );
        all.extend(rows);
    }
    all
}

/// Returns the rows of the section that contains the row `name`. Returns all rows if no row has
/// this name.
///
/// The construction of a section takes up to half a second. Some test runners start a process for
/// each row, so a process must not construct all sections.
fn section_of(name: &str) -> Vec<Row> {
    let is_row = expected_ids().iter().any(|id| name.split(' ').next() == Some(id));
    rows_of(MODULES.iter().filter(|(letter, _)| !is_row || name.starts_with(*letter)))
}

/// Returns the ids that must exist.
fn expected_ids() -> Vec<String> {
    let sections = [("A", 28), ("B", 24), ("C", 28), ("D", 16), ("E", 30), ("F", 29), ("G", 34)];
    let ids =
        |(section, count): (&'static str, u8)| (1..=count).map(move |n| format!("{section}{n:02}"));
    sections.into_iter().flat_map(ids).collect()
}

/// Returns the tests that check all rows together.
fn trials_over_all_rows(rows: &[Row]) -> Vec<Trial> {
    let trial = |name: &str, check: Box<dyn FnOnce() + Send>| {
        Trial::test(name, move || {
            check();
            Ok(())
        })
    };
    let mut ids: Vec<String> = rows.iter().map(|row| row.id.to_owned()).collect();
    ids.sort();
    let index = RowIndex::new(rows);
    vec![
        trial(
            "chunking of the HTTP stream does not change responses",
            Box::new(chunking::assert_chunking_changes_nothing),
        ),
        trial("every row exists", Box::new(move || assert_eq!(ids, expected_ids()))),
        trial(
            "docs/verification.md matches the rows",
            Box::new(move || index.assert_page_agrees()),
        ),
        trial("C22 and D05 run no signature or key operation", Box::new(assert_cheap)),
    ]
}

fn assert_cheap() {
    let rows = rows();
    let cost_of = |id: &str| -> Vec<OperationCounts> {
        rows.iter().filter(|row| row.id == id).flat_map(Row::operations).collect()
    };
    let genuine = OperationCounts { signature_verifications: 5, rsa_keys: 1 };
    let cost = cost_of("C01");
    assert!(!cost.is_empty() && cost.iter().all(|cost| *cost == genuine), "{cost:?}");
    for id in ["C22", "D05"] {
        let hostile = cost_of(id);
        assert!(!hostile.is_empty(), "{id} has no measured case");
        assert!(
            hostile.iter().all(|cost| *cost == OperationCounts::default()),
            "{id}: {hostile:?}"
        );
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_list = arguments.list;
    log_capture::init();
    let summary = Arc::new(Summary::default());
    let rows = match &arguments.filter {
        Some(name) if arguments.exact => section_of(name),
        _ => rows(),
    };
    let total = rows.len();
    let over_all_rows = trials_over_all_rows(&rows);
    let trials = rows.into_iter().map(|row| {
        let summary = Arc::clone(&summary);
        Trial::test(row.name(), move || {
            row.run(&summary);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.chain(over_all_rows).collect());
    if !is_list {
        summary.print(total);
    }
    conclusion.exit_code()
}
