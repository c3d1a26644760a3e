//! The exact texts and positions of policy errors.

use super::Policy;

/// Expands the shorthand of the tests. `<a0>` is the byte a0, 48 times, in hexadecimal. `ra:` is the prefix
/// of condition keys for registers.
pub(super) fn expand(json: &str) -> String {
    let mut text = json.replace('\'', "\"").replace("ra:", "kms:RecipientAttestation:");
    for byte in ["00", "a0", "A0"] {
        text = text.replace(&format!("<{byte}>"), &byte.repeat(48));
    }
    text
}

fn assert_error(json: &str, expected: &str) {
    let error = Policy::parse("wallet.json", expand(json).as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string().replace('\'', "\""),
        format!("wallet.json: {}", expand(expected)),
        "{json}"
    );
}

#[test]
fn rejects_malformed_json() {
    for (json, expected) in [
        ("", "line 1 column 1: not JSON: EOF while parsing a value"),
        ("{", "line 1 column 1: not JSON: EOF while parsing an object"),
        ("{\n  'Version': '2012-10-17',\n}", "line 3 column 1: not JSON: trailing comma"),
        ("{} x", "line 1 column 4: not JSON: trailing characters"),
        ("{'Version': 2012-10-17}", "line 1 column 17: not JSON: expected `,` or `}`"),
        ("\u{feff}{}", "line 1 column 1: not JSON: expected value"),
        ("{'Id': '\\ud800'}", "line 1 column 15: not JSON: unexpected end of hex escape"),
        ("{'Id': 1e999}", "line 1 column 13: not JSON: number out of range"),
        ("{'Id': 1e999\n}", "line 1 column 13: not JSON: number out of range"),
        (
            "{'Id': 'a\nb'}",
            "line 1 column 10: not JSON: control character (\\u0000-\\u001F) found while parsing a string",
        ),
        ("{'Id': // no\n 1}", "line 1 column 8: not JSON: expected value"),
        (
            "{'Id': 'é', 'Id': 'b'}",
            "line 1 column 13: 'Id' occurs twice in one object; merge them, or remove one",
        ),
        (
            "{'Statement': {\n 'Condition': {'Bool': {\n  'x': 1,\n  '\\u0078': 1}}}}",
            "line 4 column 3: 'x' occurs twice in one object; merge them, or remove one",
        ),
        (
            "{'Statement': {'Effect': 'Allow',\n\t'Effect': 'Deny'}}",
            "line 2 column 2: 'Effect' occurs twice in one object; merge them, or remove one",
        ),
    ] {
        assert_error(json, expected);
    }
    let bad_utf8 = Policy::parse("wallet.json", b"{\"Id\": \"\xff\"}").unwrap_err();
    assert!(bad_utf8.to_string().contains("not JSON: invalid unicode code point"), "{bad_utf8}");
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let error = Policy::parse("wallet.json", deep.as_bytes()).unwrap_err().to_string();
        assert!(
            error.ends_with("objects and lists are nested more than 16 levels deep"),
            "{error}"
        );
    }
}

/// Parses policies for which a quadratic algorithm would take minutes.
#[test]
fn parses_large_policies_in_linear_time() {
    let members: Vec<_> = (0..95_000).map(|number| format!("'m{number}': 1")).collect();
    let members = members.join(",\n");
    assert_error(
        &format!("{{'Statement': {{\n{members}}}}}"),
        "line 2 column 1: unknown element 'm0'; known are Sid, Effect, Action, NotAction, \
         Resource, NotResource, Condition",
    );
    assert_error(
        &format!("{{{members},\n'm7': 2}}"),
        "line 95001 column 1: 'm7' occurs twice in one object; merge them, or remove one",
    );
    let statement =
        |number| format!("{{'Sid': '{number}', 'Effect': 'Deny', 'Action': '*', 'Resource': '*'}}");
    let statements: Vec<_> = (0..95_000).map(statement).collect();
    let json = format!("{{'Statement': [{}]}}", statements.join(", "));
    Policy::parse("wallet.json", expand(&json).as_bytes()).unwrap();
}

#[test]
fn rejects_malformed_policies() {
    for (json, expected) in [
        ("[]", "line 1 column 1: the policy is a list; write an object"),
        ("null", "line 1 column 1: the policy is null; write an object"),
        ("{}", "line 1 column 1: the policy has no Statement; add a list of at least one"),
        (
            " {'Statement': []}",
            "line 1 column 16: Statement is empty; add at least one value, or remove it",
        ),
        ("{'Statement': 'x'}", "line 1 column 15: a statement is a string; write an object"),
        (
            "{'Statement': [{}, 7]}",
            "line 1 column 16: a statement has no Effect; add \"Allow\" or \"Deny\"",
        ),
        ("{'Version': 1}", "line 1 column 13: Version is a number; write a string"),
        (
            "{'Version':\n  '2012-10-18'}",
            "line 2 column 3: Version is '2012-10-18'; write '2012-10-17'",
        ),
        ("{'Id': null}", "line 1 column 8: Id is null; write a string"),
        (
            "{'statement': []}",
            "line 1 column 2: unknown element 'statement'; known are Version, Id, Statement",
        ),
    ] {
        assert_error(json, expected);
    }
}

/// Parses policies whose statement begins on the second line.
#[test]
fn rejects_malformed_statements() {
    for (statement, expected) in [
        (
            "'Effect': 'Allow', 'Action': '*', 'Resource': '*',\n 'Conditions': {}",
            "line 3 column 2: unknown element 'Conditions'; known are Sid, Effect, Action, \
             NotAction, Resource, NotResource, Condition",
        ),
        (
            "'Effect': 'Allow', 'Principal': '*'",
            "line 2 column 20: identity-based policies have no Principal; remove it, and attach \
             the policy to the principal",
        ),
        (
            "'NotPrincipal': {'AWS': ['x']}",
            "line 2 column 1: identity-based policies have no NotPrincipal; remove it, and attach \
             the policy to the principal",
        ),
        (
            "'Action': '*', 'Resource': '*'",
            "line 1 column 16: a statement has no Effect; add 'Allow' or 'Deny'",
        ),
        (
            "'Effect': 'allow', 'Action': '*', 'Resource': '*'",
            "line 2 column 11: Effect is 'allow'; write 'Allow' or 'Deny'",
        ),
        ("'Effect': true", "line 2 column 11: Effect is a boolean; write a string"),
        (
            "'Effect': 'Allow', 'Resource': '*'",
            "line 1 column 16: a statement has no Action; add 'Action': 'kms:GenerateRandom', for example",
        ),
        (
            "'Effect': 'Allow', 'Action': '*'",
            "line 1 column 16: a statement has no Resource; add 'Resource': '*'",
        ),
        (
            "'Effect': 'Allow', 'Action': '*',\n'NotAction': '*', 'Resource': '*'",
            "line 3 column 1: a statement has Action or NotAction, not both; remove one",
        ),
        (
            "'Effect': 'Allow', 'Action': '*', 'NotResource': '*', 'Resource': '*'",
            "line 2 column 55: a statement has Resource or NotResource, not both; remove one",
        ),
        (
            "'Effect': 'Allow', 'Action': [], 'Resource': '*'",
            "line 2 column 30: Action is empty; add at least one value, or remove it",
        ),
        (
            "'Effect': 'Allow', 'NotAction': ['*', 3], 'Resource': '*'",
            "line 2 column 39: NotAction is a number; write a string",
        ),
        (
            "'Effect': 'Allow', 'Action': ['GenerateRandom'], 'Resource': '*'",
            "line 2 column 31: 'GenerateRandom' is not an action; write service:Name, such as \
             kms:GenerateRandom, or *",
        ),
        (
            "'Effect': 'Allow', 'Action': ['*',\n 'kms:${a}'], 'Resource': '*'",
            "line 3 column 2: policy variables (${...}) are not supported; replace the one in \
             'kms:${a}' by its value",
        ),
        (
            "'Effect': 'Allow', 'NotAction': '${a}', 'Resource': '*'",
            "line 2 column 33: policy variables (${...}) are not supported; replace the one in \
             '${a}' by its value",
        ),
        (
            "'Effect': 'Allow', 'Action': '*', 'Resource': [ '${*}' ]",
            "line 2 column 49: policy variables (${...}) are not supported; replace the one in \
             '${*}' by its value",
        ),
        (
            "'Effect': 'Allow', 'Action': '*', 'Resource': {}",
            "line 2 column 47: Resource is an object; write a string",
        ),
        (
            "'Sid': 'One image', 'Effect': 'Allow', 'Action': '*', 'Resource': '*'",
            "line 2 column 8: Sid is 'One image'; write letters and digits alone",
        ),
        (
            "'Sid': 'A', 'Effect': 'Allow', 'Action': '*', 'Resource': '*'},\n \
             {'Sid': 'A', 'Effect': 'Deny', 'Action': '*', 'Resource': '*'",
            "line 3 column 2: two statements have the Sid 'A'; use each Sid once",
        ),
    ] {
        assert_error(&format!("{{'Statement': [{{\n{statement}}}]}}"), expected);
    }
}

const OPERATORS: &str = "known are StringEquals, StringNotEquals, StringEqualsIgnoreCase, \
                         StringNotEqualsIgnoreCase, StringLike, StringNotLike, Bool, IpAddress, \
                         NotIpAddress, NumericEquals, NumericNotEquals, NumericLessThan, \
                         NumericLessThanEquals, NumericGreaterThan, NumericGreaterThanEquals, \
                         DateEquals, DateNotEquals, DateLessThan, DateLessThanEquals, \
                         DateGreaterThan, DateGreaterThanEquals, each also with IfExists at its \
                         end, and Null";

const KEYS: &str = "known are ra:ImageSha384, ra:PCR<0 to 31>, ra:NitroTPMPCR<0 to 31>, \
                    aws:SourceIp, aws:SecureTransport, aws:CurrentTime, aws:PrincipalArn";

/// Asserts the error for a condition, which begins in column 1 of the second line.
pub(super) fn assert_condition_error(effect: &str, condition: &str, expected: &str) {
    assert_error(
        // The effect is the last member. The parser must read the effect first, and still report the position of the
        // condition.
        &format!(
            "{{'Statement': {{'Action': '*', 'Resource': '*', 'Condition':\n{condition}, \
             'Effect': '{effect}'}}}}"
        ),
        expected,
    );
}

#[test]
fn rejects_unknown_operators_and_keys() {
    for (condition, expected) in [
        (
            "{\n  'StringEqual': {'ra:PCR0': '<a0>'}}",
            format!("line 3 column 3: unknown condition operator 'StringEqual'; {OPERATORS}"),
        ),
        (
            "{'stringEquals': {'ra:PCR0': '<a0>'}}",
            format!(
                "line 2 column 2: unknown condition operator 'stringEquals' (write StringEquals); \
                 {OPERATORS}"
            ),
        ),
        (
            "{'DateLessthanIfexists': {'ra:PCR0': '<a0>'}}",
            format!(
                "line 2 column 2: unknown condition operator 'DateLessthanIfexists' (write \
                 DateLessThanIfExists); {OPERATORS}"
            ),
        ),
        (
            "{'ForAnyValue:StringEquals': {'ra:PCR0': '<a0>'}}",
            format!(
                "line 2 column 2: unknown condition operator 'ForAnyValue:StringEquals' (no key \
                 here has several values); {OPERATORS}"
            ),
        ),
        (
            "{'NullIfExists': {'ra:PCR0': true}}",
            format!("line 2 column 2: unknown condition operator 'NullIfExists'; {OPERATORS}"),
        ),
        (
            "{'StringEqualsIfExistz': {'ra:PCR0': '<a0>'}}",
            format!(
                "line 2 column 2: unknown condition operator 'StringEqualsIfExistz'; {OPERATORS}"
            ),
        ),
        (
            "{'StringEqualsIfExistsIfExists': {'ra:PCR0': '<a0>'}}",
            format!(
                "line 2 column 2: unknown condition operator 'StringEqualsIfExistsIfExists'; \
                 {OPERATORS}"
            ),
        ),
        (
            "{'ArnLike': {'aws:PrincipalArn': '*'}}",
            format!("line 2 column 2: unknown condition operator 'ArnLike'; {OPERATORS}"),
        ),
        (
            "{'Bool': {'aws:SecureTransport': true, 'aws:MultiFactorAuthPresent': true}}",
            format!("line 2 column 40: unknown condition key 'aws:MultiFactorAuthPresent'; {KEYS}"),
        ),
        (
            "{'StringEquals': {'ra:PCR00': '<a0>'}}",
            format!("line 2 column 19: unknown condition key 'ra:PCR00'; {KEYS}"),
        ),
        (
            "{'StringEquals': {'ra:PCR32': '<a0>'}}",
            format!("line 2 column 19: unknown condition key 'ra:PCR32'; {KEYS}"),
        ),
    ] {
        assert_condition_error("Allow", condition, &expected);
    }
}

#[test]
fn rejects_values_of_the_wrong_type() {
    for (condition, expected) in [
        ("[]", "line 2 column 1: Condition is a list; write an object"),
        ("{'Bool': 'x'}", "line 2 column 10: Bool is a string; write an object"),
        ("{'Bool': {}}", "line 2 column 10: Bool is empty; add at least one value, or remove it"),
        (
            "{'Bool': {'aws:SecureTransport': []}}",
            "line 2 column 34: aws:SecureTransport is empty; add at least one value, or remove it",
        ),
        (
            "{'Bool': {'aws:SecureTransport': null}}",
            "line 2 column 34: aws:SecureTransport is null; write a string, number or boolean",
        ),
        (
            "{'Bool': {'aws:SecureTransport': [true, [true]]}}",
            "line 2 column 41: aws:SecureTransport is a list; write a string, number or boolean",
        ),
        (
            "{'Bool': {'aws:SecureTransport': 'yes'}}",
            "line 2 column 34: 'yes' under Bool is not true or false",
        ),
        ("{'Null': {'ra:PCR0': 1}}", "line 2 column 44: '1' under Null is not true or false"),
        (
            "{'NumericEqualsIfExists': {'aws:SourceIp': 'NaN'}}",
            "line 2 column 44: 'NaN' under NumericEqualsIfExists is not a number",
        ),
        (
            "{'DateLessThan': {'aws:CurrentTime': 2026}}",
            "line 2 column 38: '2026' under DateLessThan is not a date such as 2026-02-03 or \
             2026-02-03T10:12:02Z, or seconds since 1970",
        ),
        (
            "{'DateLessThan': {'aws:CurrentTime': '2026-02-30'}}",
            "line 2 column 38: '2026-02-30' under DateLessThan is not a date such as 2026-02-03 or \
             2026-02-03T10:12:02Z, or seconds since 1970",
        ),
        (
            "{'DateLessThan': {'aws:CurrentTime': '2026-02-03T10:12:02'}}",
            "line 2 column 38: '2026-02-03T10:12:02' under DateLessThan is not a date such as \
             2026-02-03 or 2026-02-03T10:12:02Z, or seconds since 1970",
        ),
        (
            "{'IpAddress': {'aws:SourceIp': ['10.0.0.0/8', '10.0.0.0/33']}}",
            "line 2 column 47: '10.0.0.0/33' under IpAddress is not an address such as 203.0.113.7 \
             or a block of them such as 2001:db8::/32",
        ),
        (
            "{'StringLike': {'aws:PrincipalArn': 'arn:aws:iam::*:role/${aws:username}'}}",
            "line 2 column 37: policy variables (${...}) are not supported; replace the one in \
             'arn:aws:iam::*:role/${aws:username}' by its value",
        ),
        (
            "{'Bool': {'aws:SecureTransport': true, 'aws:securetransport': false}}",
            "line 2 column 40: aws:SecureTransport occurs twice under Bool (the case of keys is \
             ignored); merge them",
        ),
        (
            "{'StringEquals': {'ra:PCR0': '<A0>'}}",
            "line 2 column 52: '<A0>' under StringEquals is not a measurement: 96 lower-case \
             hexadecimal digits",
        ),
        (
            "{'StringNotEqualsIfExists': {'ra:NitroTPMPCR4': ['<a0>', 'a0']}}",
            "line 2 column 172: 'a0' under StringNotEqualsIfExists is not a measurement: 96 \
             lower-case hexadecimal digits",
        ),
        (
            "{'StringNotEqualsIgnoreCase': {'ra:ImageSha384': 'sha384:a0'}}",
            "line 2 column 72: 'sha384:a0' under StringNotEqualsIgnoreCase is not a measurement: \
             96 hexadecimal digits",
        ),
    ] {
        assert_condition_error("Allow", condition, expected);
    }
}

#[test]
fn accepts_every_element_of_the_language() {
    for json in [
        "{'Version': '2008-10-17', 'Id': 'x', 'Statement': {'Sid': '', 'Effect': 'Deny', \
         'NotAction': ['kms:NoSuchAction'], 'NotResource': '*', 'Condition': {}}}",
        "{'Statement': [{'Sid': '', 'Effect': 'Allow', 'Action': '*', 'Resource': '*'}, \
         {'Sid': '', 'Effect': 'Allow', 'Action': '*', 'Resource': '*'}]}",
    ] {
        Policy::parse("wallet.json", expand(json).as_bytes()).unwrap();
    }
}

/// Parses every truncation and many single-byte changes of a policy.
#[test]
fn error_position_is_inside_the_policy() {
    let policy = expand(
        "{'Version': '2012-10-17', 'Id': 'é',\n 'Statement': [{'Sid': 'A', 'Effect': 'Allow', \
         'NotAction': ['s3:*'],\n 'Resource': '*', 'Condition': {'StringLike': \
         {'aws:PrincipalArn': ['*', 'x']},\n 'Bool': {'aws:SecureTransport': true}}}]}\n",
    );
    Policy::parse("p", policy.as_bytes()).unwrap();
    for index in 0..policy.len() {
        let mut changed: Vec<Vec<u8>> = vec![policy.as_bytes()[..index].to_vec()];
        for byte in b"\"{}[]:,0x\\\n\xff" {
            let mut bytes = policy.clone().into_bytes();
            bytes[index] = *byte;
            changed.push(bytes);
        }
        for bytes in changed {
            if let Err(error) = Policy::parse("p", &bytes) {
                let text = String::from_utf8_lossy(&bytes);
                let line = text.split('\n').nth(error.line - 1).unwrap();
                assert!((1..=line.chars().count() + 1).contains(&error.column), "{error}: {text}");
            }
        }
    }
}
