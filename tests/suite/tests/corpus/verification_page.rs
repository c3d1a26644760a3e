//! Compares docs/verification.md with the code. The page lists each rule with its name, its
//! function, and the rows of the corpus that the rule rejects.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use attestation::{RecipientKeyError, Rule};

use crate::harness::document_error::DocumentError;
use crate::harness::row::Row;

type Ids = BTreeSet<&'static str>;

/// One value of each variant, sorted by name. `Unusable` is an error of the provider for a key that
/// no rule rejects.
const KEY_ERRORS: [RecipientKeyError; 10] = [
    RecipientKeyError::Absent,
    RecipientKeyError::Algorithm,
    RecipientKeyError::EvenModulus,
    RecipientKeyError::Exponent,
    RecipientKeyError::ModulusSize { bits: 0 },
    RecipientKeyError::NotRsaPublicKey,
    RecipientKeyError::NotSpki,
    RecipientKeyError::Pem,
    RecipientKeyError::Pkcs1,
    RecipientKeyError::Unusable,
];

/// Returns the variant's name. The match fails to compile when a variant is added.
fn variant(error: RecipientKeyError) -> String {
    use RecipientKeyError as E;
    match error {
        E::Absent
        | E::Algorithm
        | E::EvenModulus
        | E::Exponent
        | E::ModulusSize { .. }
        | E::NotRsaPublicKey
        | E::NotSpki
        | E::Pem
        | E::Pkcs1
        | E::Unusable => {}
    }
    format!("{error:?}").split(' ').next().unwrap_or_default().to_owned()
}

/// The rows that each rule and each key error reject.
#[derive(Default)]
pub(crate) struct RowIndex {
    by_rule: BTreeMap<Rule, Ids>,
    /// The rows of each key error, by the name of its variant.
    by_key_error: BTreeMap<String, Ids>,
    accepted: Ids,
}

impl RowIndex {
    pub(crate) fn new(rows: &[Row]) -> Self {
        let mut index = Self::default();
        for row in rows {
            if row.name().ends_with(": accepted") {
                assert!(row.expects_acceptance(), "{} contains no accepted document", row.id);
                index.accepted.insert(row.id);
            }
            for rejection in row.expected_errors() {
                let ids = match rejection {
                    DocumentError::Malformed(error) => {
                        index.by_rule.entry(error.rule()).or_default()
                    }
                    DocumentError::Untrusted(error) => {
                        index.by_rule.entry(error.rule()).or_default()
                    }
                    DocumentError::RecipientKey(error) => {
                        index.by_key_error.entry(variant(*error)).or_default()
                    }
                };
                ids.insert(row.id);
            }
        }
        index
    }

    /// Asserts that the page lists exactly these rows.
    pub(crate) fn assert_page_agrees(&self) {
        let page = read("docs/verification.md");
        let rules = table(&page, "## The rules");
        assert_eq!(rules.len(), Rule::ALL.len(), "the page needs one row per rule");
        for ((number, rule), line) in (1..).zip(Rule::ALL).zip(rules) {
            let [no, name, _, source, code, ids] = cells(line);
            assert_eq!((no, name), (number.to_string().as_str(), rule.name()));
            assert!(!source.is_empty(), "rule {name} has no source");
            assert_code_exists(code);
            let expected = self.by_rule.get(&rule).map(list).unwrap_or_default();
            assert_eq!(ids, expected, "corpus rows of rule {number}, {name}");
        }
        let errors = table(&page, "## The recipient's key");
        let listed: BTreeMap<String, &str> = errors.into_iter().map(key_error).collect();
        let expected: BTreeMap<String, String> =
            self.by_key_error.iter().map(|(error, ids)| (error.clone(), list(ids))).collect();
        let variants: Vec<String> = KEY_ERRORS.iter().map(|error| variant(*error)).collect();
        assert_eq!(
            listed.keys().cloned().collect::<Vec<_>>(),
            variants,
            "the page needs one row per key error"
        );
        for (error, ids) in listed {
            assert_eq!(ids, expected.get(&error).map_or("", String::as_str), "{error}");
        }
        let accepted: Vec<&str> = table(&page, "## Accepted, although they look hostile")
            .into_iter()
            .map(|line| cells::<2>(line)[0])
            .collect();
        assert_eq!(accepted.join(" "), list(&self.accepted), "accepted rows");
    }
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn list(ids: &Ids) -> String {
    ids.iter().copied().collect::<Vec<_>>().join(" ")
}

/// Returns the rows of the table under `heading`, without its header.
fn table<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, section) =
        page.split_once(heading).unwrap_or_else(|| panic!("the page has no heading {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter(|line| line.starts_with('|')).skip(2).collect()
}

fn cells<const N: usize>(line: &str) -> [&str; N] {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    cells.try_into().unwrap_or_else(|_| panic!("expected {N} cells: {line}"))
}

fn key_error(line: &str) -> (String, &str) {
    let [_, error, ids] = cells(line);
    (error.trim_matches('`').to_owned(), ids)
}

/// Asserts that the code column, `file.rs` `function` or `file.rs` `Type::function`, names an
/// existing function.
fn assert_code_exists(code: &str) {
    let [_, file, _, name, _] = code.split('`').collect::<Vec<_>>()[..] else {
        panic!("expected a file and a function: {code}");
    };
    let source = read(&format!("shared/attestation/src/{file}"));
    let function = name.rsplit("::").next().unwrap_or_default();
    let declared = ["(", "<"].iter().any(|next| source.contains(&format!("fn {function}{next}")));
    assert!(declared, "{file} has no function {function}");
}
