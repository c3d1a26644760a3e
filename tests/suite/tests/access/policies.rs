//! Tests of IAM policies in a whole service.

use std::collections::BTreeMap;

use attested_recipient::{Document, Kind};

use super::credentials::{ARN, sigv4};
use super::service::{ConfiguredService, denied, rejection};

const EXPLICIT_DENY: &str = "with an explicit deny in an identity-based policy";
const IMPLICIT_DENY: &str = "because no identity-based policy allows the kms:GenerateRandom action";

fn with_pcr(index: u8, byte: u8) -> Document {
    Document { pcrs: BTreeMap::from([(index, [byte; 48])]), ..Document::default() }
}

fn nitro_tpm() -> Document {
    Document { kind: Kind::NitroTpm, ..Document::default() }
}

pub(crate) fn statement(effect: &str, action: &str, condition: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"*","Condition":{condition}}}"#)
}

pub(crate) fn policy(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

fn pcr8(operator: &str) -> String {
    let value = "ab".repeat(48);
    format!(r#"{{"{operator}":{{"kms:RecipientAttestation:PCR8":"{value}"}}}}"#)
}

#[test]
fn pcr_condition_allows_only_matching_documents() {
    let allow = policy(&[statement("Allow", "kms:GenerateRandom", &pcr8("StringEquals"))]);
    let service = ConfiguredService::start(&sigv4(), &allow);
    let sealed = service.generate_for(&with_pcr(8, 0xab)).unwrap();
    assert_eq!(service.key.open(&sealed).unwrap().len(), 32);
    assert_eq!(denied(service.generate_for(&with_pcr(8, 0xac))), IMPLICIT_DENY);
    assert_eq!(denied(service.generate_for(&nitro_tpm())), IMPLICIT_DENY);
    assert_eq!(denied(service.generate_plain()), IMPLICIT_DENY);
}

#[test]
fn negated_deny_applies_to_requests_without_recipient() {
    let both = policy(&[
        statement("Allow", "kms:*", "{}"),
        statement("Deny", "kms:*", &pcr8("StringNotEquals")),
    ]);
    let service = ConfiguredService::start(&sigv4(), &both);
    assert!(service.generate_for(&with_pcr(8, 0xab)).is_ok());
    assert_eq!(denied(service.generate_for(&with_pcr(8, 0xac))), EXPLICIT_DENY);
    assert_eq!(denied(service.generate_plain()), EXPLICIT_DENY);
}

#[test]
fn denies_other_action_and_missing_policy() {
    let describe = policy(&[statement("Allow", "kms:DescribeCustomKeyStores", "{}")]);
    let service = ConfiguredService::start(&sigv4(), &describe);
    assert_eq!(denied(service.generate_plain()), IMPLICIT_DENY);
    let without = sigv4().replace("[\"wallet.json\"]", "[]");
    assert_eq!(denied(ConfiguredService::start(&without, "").generate_plain()), IMPLICIT_DENY);
}

/// The policy refers to the role. The error message and the audit record must still contain the
/// session.
#[test]
fn principal_arn_condition_matches_the_assumed_role() {
    let session = "arn:aws:sts::123456789012:assumed-role/wallet/session";
    let config = sigv4().replace(ARN, session);
    for (arn, allowed) in [(ARN, true), (session, false)] {
        let condition = format!(r#"{{"StringEquals":{{"aws:PrincipalArn":"{arn}"}}}}"#);
        let allow = policy(&[statement("Allow", "kms:GenerateRandom", &condition)]);
        let service = ConfiguredService::start(&config, &allow);
        let result = service.generate_plain();
        assert_eq!(result.is_ok(), allowed, "{arn}");
        if !allowed {
            let (_, message) = rejection(result);
            assert!(message.starts_with(&format!("User: {session} is not")), "{message}");
        }
        assert_eq!(service.records()[0]["userIdentity"]["arn"], session);
    }
}

#[test]
fn attested_tls_is_secure_transport_and_recorded() {
    let config = format!("[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\"]\n{}", sigv4());
    for (condition, allowed) in [
        (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true),
        (r#"{"Bool":{"aws:SecureTransport":"false"}}"#, false),
    ] {
        let allow = policy(&[statement("Allow", "kms:GenerateRandom", condition)]);
        let service = ConfiguredService::start(&config, &allow);
        assert_eq!(service.generate_plain().is_ok(), allowed, "{condition}");
        assert_eq!(service.generate_for(&Document::default()).is_ok(), allowed, "{condition}");
        let host = service.endpoint_url().strip_prefix("https://").unwrap().to_owned();
        let records = service.records();
        let [plain, attested] = &records[..] else { panic!("{records:?}") };
        for record in [plain, attested] {
            let details = &record["tlsDetails"];
            assert_eq!(details["tlsVersion"], "TLSv1.3");
            assert_eq!(details["cipherSuite"], "TLS_AES_256_GCM_SHA384");
            assert_eq!(details["clientProvidedHostHeader"], host);
        }
    }
}

#[test]
fn condition_keys_match_a_plain_http_request() {
    for (condition, allowed) in [
        (r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/*"}}"#, true),
        (r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/*"}}"#, false),
        (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, false),
        (r#"{"Bool":{"aws:SecureTransport":"false"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, false),
        (r#"{"Null":{"aws:SourceIp":"true"}}"#, true),
        (r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}"#, true),
        (r#"{"DateGreaterThan":{"aws:CurrentTime":"2999-01-01T00:00:00Z"}}"#, false),
    ] {
        let allow = policy(&[statement("Allow", "kms:GenerateRandom", condition)]);
        let service = ConfiguredService::start(&sigv4(), &allow);
        assert_eq!(service.generate_plain().is_ok(), allowed, "{condition}");
    }
}
