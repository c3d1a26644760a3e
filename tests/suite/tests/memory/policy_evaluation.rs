//! Tests of the memory that the evaluation of policies needs for each request.

use allocation_counter::measure;
use attestation::time::UnixMillis;
use enclave::iam::{Context, Decision, Policy, evaluate};
use kms_api::Operation;

use crate::simulated_pki::TestPki;

const POLICY: &str = r#"{"Statement": [
    {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {
        "Bool": {"aws:SecureTransport": "false"},
        "NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}}},
    {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {
        "StringLike": {"kms:RecipientAttestation:PCR0": ["*a*b*c*d*e*f", "?*"],
                       "aws:PrincipalArn": "arn:aws:iam::*:role/*"},
        "DateGreaterThan": {"aws:CurrentTime": "1970-01-02"}}}]}"#;

#[test]
fn policy_evaluation_allocates_nothing() {
    let pki = TestPki::new();
    let document = pki.verify(pki.typical_document()).unwrap();
    let pcrs = document.claims().pcrs();
    let policies = [Policy::parse("policy.json", POLICY.as_bytes()).unwrap()];
    let context = Context {
        action: Operation::GenerateRandom,
        principal_arn: Some("arn:aws:iam::123456789012:role/wallet"),
        now: UnixMillis::from_secs(1_770_000_000),
        secure_transport: Some(false),
        source_ip: Some([203, 0, 113, 7].into()),
        measurements: Some(&pcrs),
    };
    let mut is_allowed = false;
    let info = measure(|| {
        is_allowed = matches!(evaluate(&policies, &context), Decision::Allowed(_));
    });
    assert!(is_allowed);
    assert_eq!(info.count_total, 0);
}
