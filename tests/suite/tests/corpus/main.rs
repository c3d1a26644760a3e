//! The corpus of hostile input: what must be refused and by which rule, and what looks hostile and
//! must be accepted. Each row is a test named by its id; the summary at the end counts them.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod a_cose;
mod a_encoding;
mod answer;
mod b_payload;
mod b_policies;
mod b_zeros;
#[path = "../binaries/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod binaries;
mod c_certificates;
mod c_chain;
mod c_encodings;
mod cbor;
mod chunking;
mod configuration;
#[path = "../../benches/flood/connection_flood.rs"]
mod connection_flood;
mod cose;
mod d_key;
mod e_authorization;
mod e_bodies;
mod e_changes;
mod e_http;
mod e_json;
mod e_literals;
mod e_logs;
mod e_members;
mod e_requests;
mod e_routing;
mod e_scopes;
mod e_signed;
mod e_signed_headers;
mod envelope;
mod f_clock;
mod f_connections;
mod f_crowd;
mod f_ends;
mod f_key_stores;
mod f_panic;
mod f_resources;
mod f_source;
mod faulty;
mod hsm;
#[path = "../secrets/hunt.rs"]
mod hunt;
mod log;
mod page;
mod payload;
mod records;
mod refusal;
mod relayed;
mod row;
mod signer;
mod stage;
mod summary;

use std::process::ExitCode;
use std::sync::Arc;

use attestation::crypto::OperationCounts;
use libtest_mimic::{Arguments, Trial};

use page::Index;
use row::Row;
use summary::Summary;

/// The rows of a module, and the letter that their ids begin with.
type Module = (char, fn() -> Vec<Row>);

const MODULES: [Module; 27] = [
    ('A', a_cose::rows),
    ('A', a_encoding::rows),
    ('B', b_payload::rows),
    ('B', b_policies::rows),
    ('B', b_zeros::rows),
    ('C', c_chain::rows),
    ('C', c_certificates::rows),
    ('D', d_key::rows),
    ('E', e_http::rows),
    ('E', e_bodies::rows),
    ('E', e_routing::rows),
    ('E', e_json::rows),
    ('E', e_members::rows),
    ('E', e_authorization::rows),
    ('E', e_signed_headers::rows),
    ('E', e_scopes::rows),
    ('E', e_changes::rows),
    ('E', e_logs::rows),
    ('E', e_literals::rows),
    ('F', f_source::rows),
    ('F', f_clock::rows),
    ('F', f_crowd::rows),
    ('F', f_panic::rows),
    ('F', f_connections::rows),
    ('F', f_resources::rows),
    ('F', f_ends::rows),
    ('F', f_key_stores::rows),
];

/// Returns all rows.
fn rows() -> Vec<Row> {
    rows_of(&MODULES)
}

/// Returns the rows of `modules`.
///
/// # Panics
/// If a module has a row of another letter: [`section_of`] would not find it.
fn rows_of<'a>(modules: impl IntoIterator<Item = &'a Module>) -> Vec<Row> {
    let mut all = Vec::new();
    for (letter, rows) in modules {
        let rows = rows();
        assert!(
            rows.iter().all(|row| row.id.starts_with(*letter)),
            "a row among those of {letter}"
        );
        all.extend(rows);
    }
    all
}

/// Returns the rows of the section that holds the row `name`, or all rows if `name` is not a row's.
///
/// Building a section takes up to half a second, which counts where each row runs in a process of its own.
fn section_of(name: &str) -> Vec<Row> {
    let is_row = expected_ids().iter().any(|id| name.split(' ').next() == Some(id));
    rows_of(MODULES.iter().filter(|(letter, _)| !is_row || name.starts_with(*letter)))
}

/// The ids that this service is to be tested by: all of them.
fn expected_ids() -> Vec<String> {
    let sections = [("A", 28), ("B", 24), ("C", 28), ("D", 16), ("E", 30), ("F", 29)];
    let ids =
        |(section, count): (&'static str, u8)| (1..=count).map(move |n| format!("{section}{n:02}"));
    sections.into_iter().flat_map(ids).collect()
}

/// What is true of all rows together.
fn trials_of_the_whole(rows: &[Row]) -> Vec<Trial> {
    let trial = |name: &str, check: Box<dyn FnOnce() + Send>| {
        Trial::test(name, move || {
            check();
            Ok(())
        })
    };
    let mut ids: Vec<String> = rows.iter().map(|row| row.id.to_owned()).collect();
    ids.sort();
    let index = Index::of(rows);
    vec![
        trial(
            "chunking of the HTTP stream changes nothing",
            Box::new(chunking::assert_chunking_changes_nothing),
        ),
        trial("every row is there", Box::new(move || assert_eq!(ids, expected_ids()))),
        trial(
            "docs/verification.md agrees with the rows",
            Box::new(move || index.assert_page_agrees()),
        ),
        trial("C22 and D05 cost no more than a good document", Box::new(assert_cheap)),
    ]
}

fn assert_cheap() {
    let rows = rows();
    let cost_of = |id: &str| -> Vec<OperationCounts> {
        rows.iter().filter(|row| row.id == id).flat_map(Row::costs).collect()
    };
    let genuine = OperationCounts { signature_verifications: 5, rsa_keys: 1 };
    let good = cost_of("C01");
    assert!(!good.is_empty() && good.iter().all(|cost| *cost == genuine), "{good:?}");
    for id in ["C22", "D05"] {
        let hostile = cost_of(id);
        assert!(!hostile.is_empty(), "{id} has no case that is measured");
        assert!(
            hostile.iter().all(|cost| *cost == OperationCounts::default()),
            "{id}: {hostile:?}"
        );
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_list = arguments.list;
    log::init();
    let summary = Arc::new(Summary::default());
    let rows = match &arguments.filter {
        Some(name) if arguments.exact => section_of(name),
        _ => rows(),
    };
    let total = rows.len();
    let of_the_whole = trials_of_the_whole(&rows);
    let trials = rows.into_iter().map(|row| {
        let summary = Arc::clone(&summary);
        Trial::test(row.name(), move || {
            row.run(&summary);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.chain(of_the_whole).collect());
    if !is_list {
        summary.print(total);
    }
    conclusion.exit_code()
}
