//! The target for policies: arbitrary bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use attestation::time::UnixMillis;
use attestation::{PCR_LENGTH, PcrFamily, PcrValue};
use enclave::iam::{
    Context, Decision, Effect, Explanation, Measurements, Policy, PolicyError, PolicyErrorKind,
    evaluate, explain,
};
use kms_api::Operation;
use serde_json::Value;

use crate::fixture;

const NAME: &str = "fuzzed.json";

/// If the policy is rejected, checks the position in the error. Otherwise checks that decisions and
/// explanations agree, and that the policy has the statements that `serde_json` reads.
pub fn run(data: &[u8]) {
    match Policy::parse(NAME, data) {
        Ok(policy) => check_accepted(data, &policy),
        Err(error) => check_rejected(data, &error),
    }
}

fn check_rejected(data: &[u8], error: &PolicyError) {
    let text = String::from_utf8_lossy(data);
    let line = error.line.checked_sub(1).and_then(|index| text.split('\n').nth(index));
    let line = line.expect("the line exists");
    let characters = line.chars().count();
    assert!((1..=characters + 1).contains(&error.column), "column {}", error.column);
    if let PolicyErrorKind::Json(_) = *error.kind {
        let read: Result<Value, _> = serde_json::from_slice(data);
        let other = read.expect_err("serde_json rejects the text, too");
        // serde_json counts the end of a line as part of the next line.
        assert!((other.line() - 1..=other.line()).contains(&error.line), "{error}, {other}");
    } else {
        // The position is the start of a value or of a member's name.
        let found = line.chars().nth(error.column - 1);
        let begins = |found: char| "{[\"-0123456789tfn".contains(found);
        assert!(found.is_some_and(begins), "{found:?} at {error}");
    }
    assert_readable(&error.to_string(), data);
}

/// Checks that a text has no control characters and a bounded length. The text quotes the input at most
/// once. In the quote, DEL grows most: from one byte to the six bytes of its escape.
fn assert_readable(text: &str, data: &[u8]) {
    assert!(text.len() <= 6 * data.len() + 2048, "{} bytes of {}", text.len(), data.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

fn check_accepted(data: &[u8], policy: &Policy) {
    let warnings = policy.warnings().chain(policy.warnings_without_tls());
    warnings.for_each(|text| assert_readable(&text, data));
    let again = Policy::parse(NAME, data).expect("the policy was accepted before");
    for context in contexts() {
        let explanations: Vec<_> = explain([policy], &context).collect();
        assert_same_statements(data, &explanations);
        let decision = evaluate([policy], &context);
        assert_eq!(decision, expected(&explanations), "{context:?}");
        // A second copy of the policy does not change the decision.
        assert_eq!(evaluate([&again, policy], &context), decision);
        let texts = explanations.iter().map(ToString::to_string);
        texts.for_each(|text| assert_readable(&text, data));
    }
}

/// Returns the decision that IAM prescribes. A Deny statement that matches overrides all Allow
/// statements. If no statement matches, the request is denied. The decision names the first statement
/// that matches.
fn expected<'p>(explanations: &[Explanation<'p, '_>]) -> Decision<'p> {
    let first = |effect| {
        let mut applying = explanations.iter().filter(|explanation| explanation.applies());
        applying.find(|explanation| explanation.effect == effect)
    };
    match (first(Effect::Deny), first(Effect::Allow)) {
        (Some(denies), _) => Decision::Denied(denies.statement),
        (None, Some(allows)) => Decision::Allowed(allows.statement),
        (None, None) => Decision::NotAllowed,
    }
}

/// Checks that the policy has each statement that `serde_json` reads, and no other statement.
fn assert_same_statements(data: &[u8], explanations: &[Explanation<'_, '_>]) {
    let read: Value = serde_json::from_slice(data).expect("serde_json accepts the text, too");
    let statement = &read["Statement"];
    let statements = match statement {
        Value::Array(statements) => statements,
        _ => std::slice::from_ref(statement),
    };
    assert_eq!(explanations.len(), statements.len());
    for ((number, explanation), statement) in (1..).zip(explanations).zip(statements) {
        let sid = statement["Sid"].as_str().filter(|sid| !sid.is_empty());
        assert_eq!((explanation.statement.number, explanation.statement.sid), (number, sid));
        assert_eq!(Some(&*explanation.effect.to_string()), statement["Effect"].as_str());
    }
}

/// Measurements with the same value in all registers.
#[derive(Debug)]
struct Registers(PcrFamily, PcrValue);

impl Measurements for Registers {
    fn family(&self) -> PcrFamily {
        self.0
    }

    fn value(&self, index: usize) -> Option<&PcrValue> {
        (index < 16).then_some(&self.1)
    }
}

const ENCLAVE: Registers = Registers(PcrFamily::NitroEnclave, [0xab; PCR_LENGTH]);
const DEBUG: Registers = Registers(PcrFamily::NitroEnclave, [0; PCR_LENGTH]);
const NITRO_TPM: Registers = Registers(PcrFamily::NitroTpm, [0xab; PCR_LENGTH]);

/// Returns a context without condition keys, and contexts with each kind of value.
fn contexts() -> [Context<'static>; 5] {
    let empty = Context {
        action: Operation::GenerateRandom,
        principal_arn: None,
        now: UnixMillis::from_secs(0),
        secure_transport: None,
        source_ip: None,
        measurements: None,
    };
    let full = Context {
        principal_arn: Some("arn:aws:iam::123456789012:role/wallet"),
        now: fixture::NOW,
        secure_transport: Some(false),
        source_ip: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))),
        measurements: Some(&ENCLAVE),
        ..empty
    };
    let mapped = IpAddr::V6(Ipv4Addr::new(203, 0, 113, 7).to_ipv6_mapped());
    [
        empty,
        full,
        Context {
            action: Operation::DescribeCustomKeyStores,
            now: UnixMillis::new(u64::MAX),
            source_ip: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            measurements: None,
            ..full
        },
        Context { measurements: Some(&DEBUG), secure_transport: Some(true), ..full },
        Context { measurements: Some(&NITRO_TPM), source_ip: Some(mapped), ..full },
    ]
}
