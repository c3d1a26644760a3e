//! Conditions with and without warnings.

use super::Policy;

fn parse(statement: &str) -> Policy {
    let json = format!("{{'Statement': [{statement}]}}");
    let json = json.replace('\'', "\"").replace("ra:", "kms:RecipientAttestation:");
    Policy::parse("wallet.json", json.as_bytes()).unwrap()
}

fn warnings(statement: &str) -> Vec<String> {
    parse(statement).warnings().collect()
}

fn under(condition: &str) -> String {
    format!(
        "{{'Sid': 'X', 'Effect': 'Allow', 'Action': '*', 'Resource': '*', \
         'Condition': {{{condition}}}}}"
    )
}

#[test]
fn warns_about_conditions_that_always_or_never_match() {
    for (condition, expected) in [
        ("'Bool': {'ra:PCR0': true}", "Bool ra:PCR0 never matches: the key is no boolean"),
        (
            "'BoolIfExists': {'ra:PCR0': true}",
            "BoolIfExists ra:PCR0 matches only requests without the key: the key is no boolean",
        ),
        (
            "'Bool': {'aws:CurrentTime': true}",
            "Bool aws:CurrentTime never matches: the key is no boolean",
        ),
        (
            "'DateLessThan': {'aws:PrincipalArn': '2026-02-03'}",
            "DateLessThan aws:PrincipalArn never matches: the key is no date",
        ),
        (
            "'DateNotEquals': {'aws:SecureTransport': '2026-02-03'}",
            "DateNotEquals aws:SecureTransport always matches: the key is no date",
        ),
        (
            "'IpAddress': {'ra:NitroTPMPCR4': '10.0.0.0/8'}",
            "IpAddress ra:NitroTPMPCR4 never matches: the key is no IP address",
        ),
        (
            "'NotIpAddress': {'ra:ImageSha384': '10.0.0.0/8'}",
            "NotIpAddress ra:ImageSha384 always matches: the key is no IP address",
        ),
        (
            "'NumericEquals': {'ra:PCR0': 0}",
            "NumericEquals ra:PCR0 never matches: the key is no number",
        ),
        (
            "'NumericNotEqualsIfExists': {'aws:CurrentTime': 0}",
            "NumericNotEqualsIfExists aws:CurrentTime always matches: the key is no number",
        ),
        (
            "'Bool': {'aws:SourceIp': true}",
            "Bool aws:SourceIp never matches: the key is no boolean",
        ),
        (
            "'NumericLessThanIfExists': {'aws:SourceIp': 1}",
            "NumericLessThanIfExists aws:SourceIp matches only requests without the key: the key is \
             no number",
        ),
    ] {
        let expected = expected.replace("ra:", "kms:RecipientAttestation:");
        let expected = format!("statement \"X\" of wallet.json: {expected}");
        assert_eq!(warnings(&under(condition)), [expected], "{condition}");
    }
}

#[test]
fn warns_about_source_ip_without_client_address() {
    for (condition, expected) in [
        ("'IpAddress': {'aws:SourceIp': '10.0.0.0/8'}", "IpAddress aws:SourceIp never matches"),
        (
            "'NotIpAddress': {'aws:SourceIp': '10.0.0.0/8'}",
            "NotIpAddress aws:SourceIp always matches",
        ),
        (
            "'IpAddressIfExists': {'aws:SourceIp': '10.0.0.0/8'}",
            "IpAddressIfExists aws:SourceIp always matches",
        ),
        ("'StringEquals': {'aws:SourceIp': '10.0.0.7'}", "StringEquals aws:SourceIp never matches"),
    ] {
        let policy = parse(&under(condition));
        // With client addresses, these conditions can match.
        assert_eq!(policy.warnings().count(), 0, "{condition}");
        let found: Vec<_> = policy.warnings_without_client_addr().collect();
        let reason = "no request carries the key; set [server] proxy_protocol = true";
        let expected = format!("statement \"X\" of wallet.json: {expected}: {reason}");
        assert_eq!(found, [expected], "{condition}");
    }
    for condition in ["'Null': {'aws:SourceIp': true}", "'Bool': {'aws:SourceIp': true}"] {
        let policy = parse(&under(condition));
        assert_eq!(policy.warnings_without_client_addr().count(), 0, "{condition}");
    }
}

#[test]
fn warns_about_patterns_that_match_no_measurement() {
    let long = "?".repeat(97);
    for pattern in ["A*", "ab*C", "sha384:*", "a*g", "ab", "", &long] {
        for operator in ["StringLike", "StringNotLike", "StringLikeIfExists"] {
            let condition = format!("'{operator}': {{'ra:PCR8': ['a*', '{pattern}']}}");
            let expected = format!(
                "statement \"X\" of wallet.json: {operator} kms:RecipientAttestation:PCR8: \
                 \"{pattern}\" matches nothing: measurements are 96 lower-case hexadecimal digits"
            );
            assert_eq!(warnings(&under(&condition)), [expected], "{condition}");
        }
    }
}

#[test]
fn warning_names_the_statement() {
    let statement = "'Effect': 'Deny', 'Action': '*', 'Resource': '*'";
    let both = "'Bool': {'ra:PCR0': true, 'ra:PCR1': true}";
    let found = warnings(&format!("{{{statement}}}, {{{statement}, 'Condition': {{{both}}}}}"));
    let expected = ["PCR0", "PCR1"].map(|register| {
        format!(
            "statement 2 of wallet.json: Bool kms:RecipientAttestation:{register} never matches: \
             the key is no boolean"
        )
    });
    assert_eq!(found, expected);
}

#[test]
fn does_not_warn_about_conditions_that_can_match() {
    let (least, most) = ("a".repeat(96), format!("*{}*", "?".repeat(96)));
    for condition in [
        "'Null': {'aws:SourceIp': true, 'ra:PCR0': false}",
        "'DateLessThan': {'aws:CurrentTime': '2026-02-03'}",
        "'Null': {'aws:SecureTransport': true}",
        "'StringEquals': {'aws:PrincipalArn': 'arn:aws:iam::123456789012:role/wallet'}",
        "'StringLike': {'aws:PrincipalArn': 'A', 'ra:PCR0': ['*', '?*', 'a0*f9']}",
        &format!("'StringLike': {{'ra:PCR0': ['{least}', '{most}']}}"),
    ] {
        assert_eq!(warnings(&under(condition)), Vec::<String>::new(), "{condition}");
    }
}

#[test]
fn warns_about_secure_transport_and_session_arns() {
    for condition in [
        "'Bool': {'aws:SecureTransport': 'false'}",
        "'BoolIfExists': {'aws:SecureTransport': true}",
        "'StringEquals': {'aws:SecureTransport': 'TRUE'}",
    ] {
        let policy = parse(&under(condition));
        // The key has a value if the enclave terminates TLS.
        assert_eq!(policy.warnings().count(), 0, "{condition}");
        let found: Vec<_> = policy.warnings_without_tls().collect();
        let [warning] = &found[..] else { panic!("{condition}: {found:?}") };
        let reason = "aws:SecureTransport: the key is always false, because [tls] mode is \"off\"";
        assert!(warning.ends_with(reason), "{warning}");
    }
    let session = "arn:aws:sts::123456789012:assumed-role/wallet/session";
    let found =
        warnings(&under(&format!("'StringLike': {{'aws:PrincipalArn': ['a', '{session}']}}")));
    let [warning] = &found[..] else { panic!("{found:?}") };
    assert!(
        warning.contains("matches nothing: conditions compare the ARN of the role"),
        "{warning}"
    );
}
