//! Statements that name registers of zeros.

use super::error_tests::{assert_condition_error, expand};
use super::{Policy, PolicyErrorKind};

#[test]
fn rejects_statements_that_allow_debug_mode() {
    for (effect, operator, key) in [
        ("Allow", "StringEquals", "PCR0"),
        ("Allow", "StringEquals", "ImageSha384"),
        ("Allow", "StringEqualsIfExists", "PCR0"),
        ("Allow", "StringEqualsIgnoreCase", "PCR8"),
        ("Allow", "StringLike", "PCR0"),
        ("Deny", "StringNotEquals", "PCR0"),
        ("Deny", "StringNotEqualsIfExists", "PCR0"),
        ("Deny", "StringNotEqualsIgnoreCase", "PCR0"),
        ("Deny", "StringNotLike", "PCR0"),
    ] {
        let condition = format!("{{'{operator}': {{'ra:{key}': ['<a0>',\n'<00>']}}}}");
        assert_condition_error(
            effect,
            &condition,
            &format!(
                "line 3 column 1: {effect} with {operator} would allow a ra:{key} of all zeros, \
                 which every enclave in debug mode has; remove the value, or reject it with Deny \
                 and a positive operator"
            ),
        );
    }
}

#[test]
fn rejects_zeros_in_firmware_pcrs_of_a_nitro_tpm() {
    for index in 0..32 {
        let condition = format!("{{'StringEquals': {{'ra:NitroTPMPCR{index}':\n'<00>'}}}}");
        if index < 8 {
            let expected = format!(
                "line 3 column 1: Allow with StringEquals would allow a ra:NitroTPMPCR{index} of \
                 all zeros, which a NitroTPM has only if its firmware measured nothing; remove \
                 the value, or reject it with Deny and a positive operator"
            );
            assert_condition_error("Allow", &condition, &expected);
            continue;
        }
        for effect in ["Allow", "Deny"] {
            let json = format!(
                "{{'Statement': {{'Effect': '{effect}', 'Action': '*', 'Resource': '*', \
                 'Condition': {condition}}}}}"
            );
            Policy::parse("wallet.json", expand(&json).as_bytes()).unwrap();
        }
    }
}

#[test]
fn rejects_patterns_that_match_debug_mode() {
    let statement = |effect: &str, operator: &str, pattern: &str| {
        let json = format!(
            "{{'Statement': {{'Effect': '{effect}', 'Action': '*', 'Resource': '*', \
             'Condition': {{'{operator}': {{'ra:PCR0': '{pattern}'}}}}}}}}"
        );
        Policy::parse("wallet.json", expand(&json).as_bytes())
    };
    for pattern in ["0*", "*0", "*0*", "0?*", "*00000000*"] {
        for (effect, operator) in [("Allow", "StringLike"), ("Deny", "StringNotLike")] {
            let error = statement(effect, operator, pattern).unwrap_err();
            assert!(
                matches!(*error.kind, PolicyErrorKind::AllowsAllZeros { .. }),
                "{pattern}: {error}"
            );
        }
        statement("Deny", "StringLike", pattern).unwrap();
    }
    // These patterns match any value, or do not match zeros.
    for pattern in ["*", "?*", "a0*", "0*1", "0"] {
        statement("Allow", "StringLike", pattern).unwrap();
    }
}

#[test]
fn accepts_statements_that_deny_debug_mode() {
    for (effect, operator) in [
        ("Deny", "StringEquals"),
        ("Deny", "StringEqualsIgnoreCase"),
        ("Deny", "StringLike"),
        ("Allow", "StringNotEquals"),
        ("Allow", "StringNotLike"),
    ] {
        let json = format!(
            "{{'Statement': {{'Effect': '{effect}', 'Action': '*', 'Resource': '*', \
             'Condition': {{'{operator}': {{'ra:PCR0': '<00>'}}}}}}}}"
        );
        Policy::parse("wallet.json", expand(&json).as_bytes()).unwrap();
    }
}
