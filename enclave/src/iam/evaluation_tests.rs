//! The semantics of the policy language. Each row of a table tests one rule.

use std::net::IpAddr;

use attestation::time::UnixMillis;
use attestation::{PcrFamily, PcrValue};
use kms_api::Operation;

use super::{Context, Decision, Measurements, Policy, StatementRef, evaluate, explain};

/// Registers 0 to 8 of an enclave or a NitroTPM. PCR<n> is the byte `a<n>`, 48 times, in both families. Only
/// the family differs, so a test detects that the wrong family is used.
#[derive(Debug)]
struct Registers(PcrFamily, [PcrValue; 9]);

impl Measurements for Registers {
    fn family(&self) -> PcrFamily {
        self.0
    }

    fn value(&self, index: usize) -> Option<&PcrValue> {
        self.1.get(index)
    }
}

#[derive(Clone, Copy, Debug)]
enum Caller {
    /// A request without a Recipient.
    Plain,
    Enclave,
    NitroTpm,
    /// An enclave in debug mode.
    Debug,
    /// A request whose only known attribute is the time.
    Nowhere,
    /// A request over IPv6, without TLS.
    V6,
    /// A request over IPv4. As on a dual-stack socket, the address is mapped to IPv6.
    MappedV4,
}

fn with_context<R>(from: Caller, with: impl FnOnce(&Context<'_>) -> R) -> R {
    let byte = |index: usize| if index < 3 && matches!(from, Caller::Debug) { 0 } else { 0xa0 };
    let values = std::array::from_fn(|index| {
        [if byte(index) == 0 { 0 } else { 0xa0 + u8::try_from(index).unwrap() }; 48]
    });
    let registers = match from {
        Caller::Enclave | Caller::Debug => Some(Registers(PcrFamily::NitroEnclave, values)),
        Caller::NitroTpm => Some(Registers(PcrFamily::NitroTpm, values)),
        _ => None,
    };
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    let is_known = !matches!(from, Caller::Nowhere);
    with(&Context {
        action: Operation::GenerateRandom,
        principal_arn: is_known.then_some("arn:aws:iam::123456789012:role/wallet"),
        now: UnixMillis::from_rfc3339("2026-02-03T10:12:02.437Z").unwrap(),
        secure_transport: is_known.then_some(!matches!(from, Caller::V6)),
        source_ip: is_known.then(|| match from {
            Caller::V6 => ip("2001:db8::7"),
            Caller::MappedV4 => ip("::ffff:203.0.113.7"),
            _ => ip("203.0.113.7"),
        }),
        measurements: registers.as_ref().map(|registers| -> &dyn Measurements { registers }),
    })
}

/// Expands the shorthand of the tests. `<a0>` is the byte a0, 48 times, in hexadecimal. `ra:` is the prefix
/// of condition keys for registers.
fn expand(json: &str) -> String {
    let mut parts = json.replace("'", "\"").replace("ra:", "kms:RecipientAttestation:");
    while let Some((head, (byte, tail))) =
        parts.split_once('<').and_then(|(head, rest)| Some((head, rest.split_once('>')?)))
    {
        parts = format!("{head}{}{tail}", byte.repeat(48));
    }
    parts
}

fn policy(number: usize, statements: &str) -> Policy {
    let json = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, expand(statements));
    Policy::parse(&format!("p{number}"), json.as_bytes())
        .unwrap_or_else(|error| panic!("{json}\n{error}"))
}

fn by(policy: &'static str, sid: &'static str, number: usize) -> StatementRef<'static> {
    StatementRef { policy, sid: Some(sid).filter(|sid| !sid.is_empty()), number }
}

/// Asserts the decision, and that the explanation agrees with it.
fn assert_decides(statements: &[&str], from: Caller, expected: Decision<'_>) {
    let policies: Vec<Policy> =
        statements.iter().enumerate().map(|(number, json)| policy(number, json)).collect();
    with_context(from, |context| {
        let decision = evaluate(&policies, context);
        assert_eq!(decision, expected, "{statements:#?} {from:?}");
        let explanations: Vec<_> = explain(&policies, context).collect();
        let decided = match decision {
            Decision::Denied(by) | Decision::Allowed(by) => Some(by),
            Decision::NotAllowed => None,
        };
        for explanation in explanations {
            assert!(explanation.applies() || Some(explanation.statement) != decided);
        }
    });
}

/// Asserts whether a condition holds. Evaluates the condition in a statement that allows (A). Also evaluates it in a
/// statement that denies (D), with a second policy that allows.
fn assert_condition(condition: &str, from: Caller, holds: bool) {
    let statement = |sid: &str, effect: &str| {
        format!(
            "{{'Sid': '{sid}', 'Effect': '{effect}', 'Action': 'kms:GenerateRandom', \
             'Resource': '*', 'Condition': {{{condition}}}}}"
        )
    };
    let allowed = if holds { Decision::Allowed(by("p0", "A", 1)) } else { Decision::NotAllowed };
    assert_decides(&[&statement("A", "Allow")], from, allowed);
    let any =
        format!("{OTHER}, {{'Sid': 'Any', 'Effect': 'Allow', 'Action': '*', 'Resource': '*'}}");
    let denied = if holds {
        Decision::Denied(by("p1", "D", 1))
    } else {
        Decision::Allowed(by("p0", "Any", 2))
    };
    assert_decides(&[&any, &statement("D", "Deny")], from, denied);
}

const OTHER: &str =
    "{'Sid': 'Other', 'Effect': 'Allow', 'Action': 'kms:DescribeCustomKeyStores', 'Resource': '*'}";

#[test]
fn evaluates_conditions_as_aws_does() {
    use Caller::*;
    let rows = [
        // Text.
        ("'StringEquals': {'ra:PCR0': '<a0>'}", Enclave, true),
        ("'StringEquals': {'ra:PCR0': '<a1>'}", Enclave, false),
        ("'StringEquals': {'ra:PCR8': '<a8>'}", Enclave, true),
        ("'StringEquals': {'ra:ImageSha384': '<a0>'}", Enclave, true),
        ("'StringEquals': {'ra:ImageSha384': '<a1>'}", Enclave, false),
        ("'StringEqualsIgnoreCase': {'ra:PCR0': '<A0>'}", Enclave, true),
        ("'StringEqualsIgnoreCase': {'ra:PCR0': '<A1>'}", Enclave, false),
        ("'StringNotEqualsIgnoreCase': {'ra:PCR0': '<A0>'}", Enclave, false),
        ("'StringNotEqualsIgnoreCase': {'ra:PCR0': '<A1>'}", Enclave, true),
        ("'StringNotEquals': {'ra:PCR0': '<a0>'}", Enclave, false),
        ("'StringNotEquals': {'ra:PCR0': '<a1>'}", Enclave, true),
        ("'StringLike': {'ra:PCR0': 'a0a0*'}", Enclave, true),
        ("'StringLike': {'ra:PCR0': '?0*a'}", Enclave, false),
        ("'StringLike': {'ra:PCR0': '?0*a0'}", Enclave, true),
        ("'StringLike': {'ra:PCR0': 'A0*'}", Enclave, false),
        ("'StringNotLike': {'ra:PCR0': 'a0*'}", Enclave, false),
        ("'StringNotLike': {'ra:PCR0': 'b*'}", Enclave, true),
        (
            "'StringEquals': {'aws:PrincipalArn': 'arn:aws:iam::123456789012:role/wallet'}",
            Plain,
            true,
        ),
        (
            "'StringEquals': {'aws:PrincipalArn': 'arn:aws:iam::123456789012:role/Wallet'}",
            Plain,
            false,
        ),
        ("'StringEquals': {'aws:PrincipalArn': 'arn:aws:iam::123456789012:role/*'}", Plain, false),
        ("'StringLike': {'aws:PrincipalArn': 'arn:aws:iam::*:role/wall??'}", Plain, true),
        ("'StringEquals': {'aws:SecureTransport': 'true'}", Plain, true),
        ("'StringEquals': {'aws:SecureTransport': true}", Plain, true),
        ("'StringEquals': {'aws:SourceIp': '203.0.113.7'}", MappedV4, true),
        ("'StringLike': {'aws:CurrentTime': '2026-02-03T10:12:02Z'}", Plain, true),
        // The case of keys is ignored.
        ("'StringEquals': {'KMS:recipientattestation:pcr0': '<a0>'}", Enclave, true),
        ("'Bool': {'AWS:SECURETRANSPORT': 'true'}", Plain, true),
        // A key of an enclave does not match a NitroTPM, and the reverse.
        ("'StringEquals': {'ra:PCR4': '<a4>'}", NitroTpm, false),
        ("'StringEquals': {'ra:ImageSha384': '<a0>'}", NitroTpm, false),
        ("'StringEquals': {'ra:NitroTPMPCR4': '<a4>'}", NitroTpm, true),
        ("'StringEquals': {'ra:NitroTPMPCR4': '<a4>'}", Enclave, false),
        ("'StringNotEquals': {'ra:PCR4': '<a4>'}", NitroTpm, true),
        ("'Null': {'ra:PCR4': 'true'}", NitroTpm, true),
        ("'Null': {'ra:NitroTPMPCR4': 'true'}", Enclave, true),
        // Absent keys: a missing register, and no Recipient.
        ("'StringEquals': {'ra:PCR0': '<a0>'}", Plain, false),
        ("'StringEquals': {'ra:PCR16': '<a0>'}", Enclave, false),
        ("'StringLike': {'ra:PCR0': '*'}", Plain, false),
        ("'StringEqualsIgnoreCase': {'ra:PCR0': '<a0>'}", Plain, false),
        ("'StringNotEquals': {'ra:PCR0': '<a0>'}", Plain, true),
        ("'StringNotEquals': {'ra:PCR31': '<a0>'}", Enclave, true),
        ("'StringNotEqualsIgnoreCase': {'ra:PCR0': '<a0>'}", Plain, true),
        ("'StringNotLike': {'ra:PCR0': '*'}", Plain, true),
        ("'NumericEquals': {'aws:SourceIp': 1}", Nowhere, false),
        ("'NumericLessThan': {'aws:SourceIp': 1}", Nowhere, false),
        ("'NumericNotEquals': {'aws:SourceIp': 1}", Nowhere, true),
        ("'DateGreaterThan': {'aws:SourceIp': '2020-01-01'}", Nowhere, false),
        ("'DateNotEquals': {'aws:SourceIp': '2020-01-01'}", Nowhere, true),
        ("'Bool': {'aws:SecureTransport': 'false'}", Nowhere, false),
        ("'IpAddress': {'aws:SourceIp': '0.0.0.0/0'}", Nowhere, false),
        ("'NotIpAddress': {'aws:SourceIp': '0.0.0.0/0'}", Nowhere, true),
        // IfExists: true for an absent key, otherwise the same as without IfExists.
        ("'StringEqualsIfExists': {'ra:PCR0': '<a0>'}", Plain, true),
        ("'StringEqualsIfExists': {'ra:PCR0': '<a0>'}", Enclave, true),
        ("'StringEqualsIfExists': {'ra:PCR0': '<a1>'}", Enclave, false),
        ("'StringEqualsIgnoreCaseIfExists': {'ra:PCR0': '<A1>'}", Plain, true),
        ("'StringLikeIfExists': {'ra:PCR0': 'b*'}", NitroTpm, true),
        ("'StringLikeIfExists': {'ra:PCR0': 'b*'}", Enclave, false),
        ("'StringNotEqualsIfExists': {'ra:PCR0': '<a0>'}", Plain, true),
        ("'StringNotEqualsIfExists': {'ra:PCR0': '<a0>'}", Enclave, false),
        ("'BoolIfExists': {'aws:SecureTransport': 'true'}", Nowhere, true),
        ("'BoolIfExists': {'aws:SecureTransport': 'true'}", V6, false),
        ("'IpAddressIfExists': {'aws:SourceIp': '10.0.0.0/8'}", Nowhere, true),
        ("'NotIpAddressIfExists': {'aws:SourceIp': '203.0.113.0/24'}", Plain, false),
        ("'NumericEqualsIfExists': {'aws:SourceIp': 1}", Nowhere, true),
        ("'DateLessThanIfExists': {'aws:SourceIp': '2020-01-01'}", Nowhere, true),
        // Null: true requires an absent key.
        ("'Null': {'ra:PCR0': 'true'}", Plain, true),
        ("'Null': {'ra:PCR0': 'true'}", Enclave, false),
        ("'Null': {'ra:PCR0': 'false'}", Enclave, true),
        ("'Null': {'ra:PCR0': false}", Plain, false),
        ("'Null': {'aws:CurrentTime': 'FALSE'}", Nowhere, true),
        ("'Null': {'ra:PCR0': ['true', 'false']}", Plain, true),
        // Bool
        ("'Bool': {'aws:SecureTransport': 'true'}", Plain, true),
        ("'Bool': {'aws:SecureTransport': true}", V6, false),
        ("'Bool': {'aws:SecureTransport': 'False'}", V6, true),
        // Date: whole seconds, in three formats or as seconds since the epoch.
        ("'DateEquals': {'aws:CurrentTime': '2026-02-03T10:12:02Z'}", Plain, true),
        ("'DateEquals': {'aws:CurrentTime': '2026-02-03T11:12:02+01:00'}", Plain, true),
        ("'DateEquals': {'aws:CurrentTime': 1770113522}", Plain, true),
        ("'DateEquals': {'aws:CurrentTime': '1770113523'}", Plain, false),
        ("'DateNotEquals': {'aws:CurrentTime': '1770113522'}", Plain, false),
        ("'DateNotEquals': {'aws:CurrentTime': '2026-02-03T10:12Z'}", Plain, true),
        ("'DateGreaterThan': {'aws:CurrentTime': '2026-02-03'}", Plain, true),
        ("'DateGreaterThan': {'aws:CurrentTime': '2026-02-03T10:12:02Z'}", Plain, false),
        ("'DateGreaterThanEquals': {'aws:CurrentTime': '2026-02-03T10:12:02Z'}", Plain, true),
        ("'DateGreaterThanEquals': {'aws:CurrentTime': '2026-02-03T10:13Z'}", Plain, false),
        ("'DateLessThan': {'aws:CurrentTime': '2026-02-04'}", Plain, true),
        ("'DateLessThan': {'aws:CurrentTime': '2026-02-03T10:12:02Z'}", Plain, false),
        ("'DateLessThanEquals': {'aws:CurrentTime': '2026-02-03T10:12:02Z'}", Plain, true),
        ("'DateLessThanEquals': {'aws:CurrentTime': '2026-02-03T10:12:01.999Z'}", Plain, false),
        // Addresses
        ("'IpAddress': {'aws:SourceIp': '203.0.113.0/24'}", Plain, true),
        ("'IpAddress': {'aws:SourceIp': '203.0.113.7'}", Plain, true),
        ("'IpAddress': {'aws:SourceIp': '203.0.113.8'}", Plain, false),
        ("'IpAddress': {'aws:SourceIp': '203.0.113.0/24'}", MappedV4, true),
        ("'IpAddress': {'aws:SourceIp': '::ffff:203.0.113.0/120'}", Plain, true),
        ("'IpAddress': {'aws:SourceIp': '::/0'}", Plain, false),
        ("'IpAddress': {'aws:SourceIp': '2001:db8::/32'}", V6, true),
        ("'IpAddress': {'aws:SourceIp': '0.0.0.0/0'}", V6, false),
        ("'NotIpAddress': {'aws:SourceIp': '2001:db8::/32'}", V6, false),
        ("'NotIpAddress': {'aws:SourceIp': '203.0.113.0/24'}", V6, true),
        // The type of the key is not the type of the operator.
        ("'NumericEquals': {'aws:PrincipalArn': 1}", Plain, false),
        ("'NumericNotEquals': {'aws:PrincipalArn': 1}", Plain, true),
        ("'NumericGreaterThanEquals': {'ra:PCR0': 0}", Debug, false),
        ("'Bool': {'aws:PrincipalArn': 'true'}", Plain, false),
        ("'DateLessThan': {'aws:SourceIp': '2099-01-01'}", Plain, false),
        ("'DateNotEquals': {'aws:SourceIp': '2099-01-01'}", Plain, true),
        ("'IpAddress': {'ra:PCR0': '0.0.0.0/0'}", Enclave, false),
        ("'NotIpAddress': {'ra:PCR0': '0.0.0.0/0'}", Enclave, true),
        ("'NumericEqualsIfExists': {'aws:PrincipalArn': 1}", Plain, false),
        // Several values: one value must match. Under a negated operator, no value may match.
        ("'StringEquals': {'ra:PCR0': ['<b0>', '<a0>']}", Enclave, true),
        ("'StringEquals': {'ra:PCR0': ['<b0>', '<b1>']}", Enclave, false),
        ("'StringNotEquals': {'ra:PCR0': ['<b0>', '<a0>']}", Enclave, false),
        ("'StringNotEquals': {'ra:PCR0': ['<b0>', '<b1>']}", Enclave, true),
        ("'StringNotLike': {'ra:PCR0': ['b*', 'a*']}", Enclave, false),
        ("'NotIpAddress': {'aws:SourceIp': ['10.0.0.0/8', '203.0.113.7']}", Plain, false),
        ("'DateNotEquals': {'aws:CurrentTime': ['2020-01-01', '1770113522']}", Plain, false),
        // Several keys and several operators: all conditions must hold.
        ("'StringEquals': {'ra:PCR0': '<a0>', 'ra:PCR8': '<a8>'}", Enclave, true),
        ("'StringEquals': {'ra:PCR0': '<a0>', 'ra:PCR8': '<a0>'}", Enclave, false),
        ("'StringEquals': {'ra:PCR0': '<a8>', 'ra:PCR8': '<a8>'}", Enclave, false),
        ("'StringEquals': {'ra:PCR0': '<a0>', 'ra:ImageSha384': '<a1>'}", Enclave, false),
        ("'StringNotEquals': {'ra:PCR0': '<b0>', 'ra:PCR8': '<a8>'}", Enclave, false),
        (
            "'StringEquals': {'ra:PCR0': '<a0>'}, 'Bool': {'aws:SecureTransport': true}",
            Enclave,
            true,
        ),
        (
            "'StringEquals': {'ra:PCR0': '<a0>'}, 'Bool': {'aws:SecureTransport': false}",
            Enclave,
            false,
        ),
        (
            "'StringEquals': {'ra:PCR0': '<a1>'}, 'Bool': {'aws:SecureTransport': true}",
            Enclave,
            false,
        ),
        (
            "'StringEquals': {'ra:PCR0': '<a0>'}, 'StringEqualsIfExists': {'ra:PCR0': '<a1>'}",
            Enclave,
            false,
        ),
        ("", Nowhere, true),
    ];
    for (condition, from, holds) in rows {
        assert_condition(condition, from, holds);
    }
}

/// Returns a statement with this Sid, this effect and these elements. If the elements name no resource, the
/// resource is `*`.
fn statement(sid: &str, effect: &str, elements: &str) -> String {
    let resource = if elements.contains("Resource'") { "" } else { ", 'Resource': '*'" };
    format!("{{'Sid': '{sid}', 'Effect': '{effect}', {elements}{resource}}}")
}

#[test]
fn evaluates_actions_and_resources() {
    let rows = [
        ("'Action': 'kms:GenerateRandom'", true),
        ("'Action': 'KMS:generaterandom'", true),
        ("'Action': 'kms:*'", true),
        ("'Action': '*'", true),
        ("'Action': '*:*'", true),
        ("'Action': 'kms:Generate*'", true),
        ("'Action': 'kms:GenerateRando?'", true),
        ("'Action': 'kms:GenerateRandom?'", false),
        ("'Action': 'kms:GenerateDataKey'", false),
        ("'Action': 's3:GetObject'", false),
        ("'Action': 's3:*'", false),
        ("'Action': ['s3:GetObject', 'kms:GenerateRandom']", true),
        ("'NotAction': 'kms:GenerateRandom'", false),
        ("'NotAction': 'kms:generate*'", false),
        ("'NotAction': ['kms:Describe*', 's3:*']", true),
        ("'NotAction': ['s3:*', 'kms:GenerateRandom']", false),
        ("'Action': 'kms:*', 'Resource': ['*']", true),
        ("'Action': 'kms:*', 'Resource': 'arn:aws:kms:*:*:key/*'", false),
        ("'Action': 'kms:*', 'Resource': ['arn:aws:kms:*:*:key/*', '*']", true),
        ("'Action': 'kms:*', 'Resource': ['*', 'arn:aws:kms:*:*:key/*']", true),
        ("'Action': 'kms:*', 'NotResource': '*'", false),
        ("'Action': 'kms:*', 'NotResource': 'arn:aws:kms:*:*:key/*'", true),
        ("'Action': 'kms:*', 'NotResource': ['arn:aws:kms:*:*:key/*', '*']", false),
    ];
    for (elements, covers) in rows {
        let allowed =
            if covers { Decision::Allowed(by("p0", "A", 1)) } else { Decision::NotAllowed };
        assert_decides(&[&statement("A", "Allow", elements)], Caller::Plain, allowed);
        let denied = if covers {
            Decision::Denied(by("p0", "D", 2))
        } else {
            Decision::Allowed(by("p0", "Any", 1))
        };
        let any = statement("Any", "Allow", "'Action': '*'");
        let both = format!("{any}, {}", statement("D", "Deny", elements));
        assert_decides(&[&both], Caller::Plain, denied);
    }
}

#[test]
fn explicit_deny_overrides_allow() {
    let all = "'Action': 'kms:GenerateRandom'";
    let on = |condition: &str| format!("{all}, 'Condition': {{{condition}}}");
    let allow = statement("A", "Allow", all);
    let deny = statement("D", "Deny", all);
    let unnamed = "{'Effect': 'Allow', 'Action': '*', 'Resource': '*'}";
    let image = statement("Image", "Allow", &on("'StringEquals': {'ra:PCR0': '<a0>'}"));
    let other_image = statement("Old", "Allow", &on("'StringEquals': {'ra:PCR0': '<b0>'}"));
    let only_image = statement("Only", "Deny", &on("'StringNotEquals': {'ra:PCR0': '<a0>'}"));
    let only_if_there = statement(
        "IfThere",
        "Deny",
        &on("'StringNotEqualsIfExists': {'ra:PCR0': '<b0>'}, 'Null': {'ra:PCR0': false}"),
    );
    let no_debug = statement("NoDebug", "Deny", &on("'StringEquals': {'ra:PCR0': '<00>'}"));
    let tpm = statement(
        "Tpm",
        "Allow",
        &on("'StringEquals': {'ra:NitroTPMPCR4': '<a4>', 'ra:NitroTPMPCR7': '<a7>'}"),
    );
    let two = |first: &str, second: &str| format!("{first}, {second}");
    let rows: Vec<(Vec<String>, Caller, Decision<'_>)> = vec![
        (vec![], Caller::Plain, Decision::NotAllowed),
        (vec![allow.clone()], Caller::Plain, Decision::Allowed(by("p0", "A", 1))),
        (vec![deny.clone()], Caller::Plain, Decision::Denied(by("p0", "D", 1))),
        // The order does not matter, in one policy or several.
        (vec![two(&allow, &deny)], Caller::Plain, Decision::Denied(by("p0", "D", 2))),
        (vec![two(&deny, &allow)], Caller::Plain, Decision::Denied(by("p0", "D", 1))),
        (vec![allow.clone(), deny.clone()], Caller::Plain, Decision::Denied(by("p1", "D", 1))),
        (vec![deny.clone(), allow.clone()], Caller::Plain, Decision::Denied(by("p0", "D", 1))),
        // Of several statements that deny, the first is reported.
        (
            vec![allow.clone(), two(&other_image, &deny), statement("D2", "Deny", all)],
            Caller::Plain,
            Decision::Denied(by("p1", "D", 2)),
        ),
        // Of several statements that allow, the first is reported. A statement without a Sid has a number.
        (
            vec![two(&other_image, unnamed), allow.clone()],
            Caller::Enclave,
            Decision::Allowed(by("p0", "", 2)),
        ),
        (
            vec![OTHER.to_owned(), two(&image, &allow)],
            Caller::Enclave,
            Decision::Allowed(by("p1", "Image", 1)),
        ),
        (
            vec![OTHER.to_owned(), two(&image, &allow)],
            Caller::Plain,
            Decision::Allowed(by("p1", "A", 2)),
        ),
        (vec![two(&other_image, &image)], Caller::Enclave, Decision::Allowed(by("p0", "Image", 2))),
        (vec![two(&other_image, &image)], Caller::Plain, Decision::NotAllowed),
        (vec![OTHER.to_owned()], Caller::Plain, Decision::NotAllowed),
        // Deny with a negated operator also denies requests without a Recipient.
        (vec![two(&allow, &only_image)], Caller::Enclave, Decision::Allowed(by("p0", "A", 1))),
        (vec![two(&allow, &only_image)], Caller::Plain, Decision::Denied(by("p0", "Only", 2))),
        (vec![two(&allow, &only_image)], Caller::NitroTpm, Decision::Denied(by("p0", "Only", 2))),
        (vec![two(&allow, &only_if_there)], Caller::Plain, Decision::Allowed(by("p0", "A", 1))),
        (
            vec![two(&allow, &only_if_there)],
            Caller::Enclave,
            Decision::Denied(by("p0", "IfThere", 2)),
        ),
        // Debug mode, denied as the AWS documentation suggests.
        (vec![two(&allow, &no_debug)], Caller::Debug, Decision::Denied(by("p0", "NoDebug", 2))),
        (vec![two(&allow, &no_debug)], Caller::Enclave, Decision::Allowed(by("p0", "A", 1))),
        (vec![two(&allow, &no_debug)], Caller::Plain, Decision::Allowed(by("p0", "A", 1))),
        // Conditions for an enclave and for a NitroTPM.
        (vec![two(&image, &tpm)], Caller::Enclave, Decision::Allowed(by("p0", "Image", 1))),
        (vec![two(&image, &tpm)], Caller::NitroTpm, Decision::Allowed(by("p0", "Tpm", 2))),
        (vec![two(&image, &tpm)], Caller::Debug, Decision::NotAllowed),
    ];
    for (policies, from, expected) in rows {
        let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
        // An empty list of policies is valid.
        assert_decides(&policies, from, expected);
    }
}

#[test]
fn evaluates_each_operation_as_its_own_action() {
    let policies = [policy(0, OTHER)];
    with_context(Caller::Plain, |context| {
        let context = Context { action: Operation::DescribeCustomKeyStores, ..*context };
        assert_eq!(evaluate(&policies, &context), Decision::Allowed(by("p0", "Other", 1)));
    });
}

#[test]
fn explains_why_a_statement_does_not_apply() {
    let conditions = "'Condition': {'StringEquals': {'aws:PrincipalArn': ['a', 'b']}}";
    let register = "'Condition': {'StringLike': {'ra:PCR0': 'b*'}}";
    let statements = [
        statement("One", "Allow", "'Action': '*'"),
        statement("Two", "Deny", "'Action': 's3:*'"),
        statement("Three", "Deny", "'Action': '*', 'Resource': 'arn:aws:kms:*:*:key/*'"),
        statement("Four", "Allow", &format!("'Action': '*', {conditions}")),
        statement("Five", "Allow", &format!("'Action': '*', {register}")),
    ];
    let policies = [policy(0, &statements.join(","))];
    let explanations = with_context(Caller::Plain, |context| {
        explain(&policies, context).map(|explanation| explanation.to_string()).collect::<Vec<_>>()
    });
    assert_eq!(
        explanations,
        [
            "statement \"One\" of p0 (Allow) applies",
            "statement \"Two\" of p0 (Deny) does not apply: its actions do not include \
             kms:GenerateRandom",
            "statement \"Three\" of p0 (Deny) does not apply: its resources do not include \"*\", \
             the resource of kms:GenerateRandom",
            "statement \"Four\" of p0 (Allow) does not apply: StringEquals aws:PrincipalArn \"a\" \
             or \"b\", but the request has arn:aws:iam::123456789012:role/wallet",
            "statement \"Five\" of p0 (Allow) does not apply: StringLike \
             kms:RecipientAttestation:PCR0 \"b*\", but the request has no \
             kms:RecipientAttestation:PCR0",
        ]
    );
}
