//! Rows B: PCRs that a policy or the configuration requires, but that are absent from the document.

use attestation::{PCR_LENGTH, PcrFamily};
use simulator::{DocumentSpec, default_pcrs};

use crate::harness::configuration::{ACCESS_KEY_ID, Configuration, principal};
use crate::harness::requests::{PLAINTEXT_RESPONSE, SEALED_RESPONSE, attested_body_with};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::{generate_random, valid_document};
use crate::harness::signed_requests::{draft, followed_by_signed_request};
use crate::harness::sigv4_signer::{SigningOptions, UnsignedRequest};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn rows() -> Vec<Row> {
    vec![missing()]
}

/// Signs a document whose claims are valid except for one change.
pub(crate) fn document(change: impl Fn(&mut DocumentSpec)) -> Vec<u8> {
    let mut forgery = valid_document();
    change(&mut forgery.document);
    forgery.sign().unwrap()
}

fn without(index: u8) -> Vec<u8> {
    document(|document| document.pcrs.retain(|known, _| *known != index))
}

/// Returns a document of a NitroTPM with the PCR values of the valid document.
fn nitro_tpm() -> Vec<u8> {
    document(|document| document.family = PcrFamily::NitroTpm)
}

/// Returns the PCR value of the valid document, in lower-case hexadecimal.
pub(crate) fn measured(index: u8) -> String {
    const_hex::encode(default_pcrs(PcrFamily::NitroEnclave)[&index])
}

/// Returns a GenerateRandom request with a document in its Recipient. The access key signs the
/// request.
pub(crate) fn signed_by(access_key_id: &str, document: &[u8]) -> Vec<u8> {
    let body = attested_body_with(&STANDARD.encode(document));
    UnsignedRequest::new(body).signed_as(&SigningOptions::by(access_key_id))
}

pub(crate) fn denied(access_key_id: &str, denial: &str) -> Expected {
    denied_as(&principal(access_key_id), denial)
}

pub(crate) fn denied_as(caller: &str, denial: &str) -> Expected {
    Expected::access_denied(&format!(
        "User: {caller} is not authorized to perform: kms:GenerateRandom on resource: * {denial}"
    ))
}

pub(crate) const IMPLICIT_DENY: &str =
    "because no identity-based policy allows the kms:GenerateRandom action";
pub(crate) const EXPLICIT_DENY: &str = "with an explicit deny in an identity-based policy";
pub(crate) const NOT_ADMITTED: &str =
    "because the measurements in the attestation document are not allowed by this service";

pub(crate) fn statement(effect: &str, operator: &str, register: &str, value: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}","Action":"kms:GenerateRandom","Resource":"*","Condition":{{"{operator}":{{"kms:RecipientAttestation:{register}":{value}}}}}}}"#
    )
}

/// Returns a policy with an Allow statement that has this condition.
pub(crate) fn allow(operator: &str, register: &str, value: &str) -> String {
    format!(r#"{{"Statement":{}}}"#, statement("Allow", operator, register, value))
}

/// Returns a policy with an Allow statement, and with a Deny statement that has this condition.
pub(crate) fn deny(operator: &str, register: &str, value: &str) -> String {
    let allow = r#"{"Effect":"Allow","Action":"kms:GenerateRandom","Resource":"*"}"#;
    format!(r#"{{"Statement":[{allow},{}]}}"#, statement("Deny", operator, register, value))
}

/// The expected decisions for two documents: one without the PCR and one with the PCR.
struct PolicyCase {
    description: String,
    policy: String,
    register: u8,
    when_absent: Result<(), &'static str>,
    when_present: Result<(), &'static str>,
}

fn policy_cases() -> Vec<PolicyCase> {
    let quoted = |text: &str| format!("\"{text}\"");
    let case = |description: &str, policy, register, when_absent, when_present| PolicyCase {
        description: description.to_owned(),
        policy,
        register,
        when_absent,
        when_present,
    };
    let mut cases = Vec::new();
    for register in [0, 1, 2, 3, 4, 8] {
        let (name, value) = (format!("PCR{register}"), quoted(&measured(register)));
        let mut with = |description: &str, policy, when_absent, when_present| {
            cases.push(case(
                &format!("{name}, {description}"),
                policy,
                register,
                when_absent,
                when_present,
            ));
        };
        let several = format!(r#"["{}",{value}]"#, "ab".repeat(PCR_LENGTH));
        with("equals", allow("StringEquals", &name, &value), Err(IMPLICIT_DENY), Ok(()));
        with(
            "equals one of several",
            allow("StringEquals", &name, &several),
            Err(IMPLICIT_DENY),
            Ok(()),
        );
        with(
            "denied unless it equals",
            deny("StringNotEquals", &name, &value),
            Err(EXPLICIT_DENY),
            Ok(()),
        );
    }
    let (value, upper) = (quoted(&measured(8)), quoted(&measured(8).to_uppercase()));
    let like = format!("\"{}*\"", &measured(8)[..16]);
    let image = quoted(&measured(0));
    for (description, policy, register, when_absent, when_present) in [
        (
            "equals, ignoring case",
            allow("StringEqualsIgnoreCase", "PCR8", &upper),
            8,
            Err(IMPLICIT_DENY),
            Ok(()),
        ),
        ("like", allow("StringLike", "PCR8", &like), 8, Err(IMPLICIT_DENY), Ok(())),
        ("like any value", allow("StringLike", "PCR8", "\"*\""), 8, Err(IMPLICIT_DENY), Ok(())),
        ("present", allow("Null", "PCR8", "false"), 8, Err(IMPLICIT_DENY), Ok(())),
        ("denied if absent", deny("Null", "PCR8", "true"), 8, Err(EXPLICIT_DENY), Ok(())),
        ("denied unless like", deny("StringNotLike", "PCR8", &like), 8, Err(EXPLICIT_DENY), Ok(())),
        (
            "equals, as ImageSha384",
            allow("StringEquals", "ImageSha384", &image),
            0,
            Err(IMPLICIT_DENY),
            Ok(()),
        ),
        (
            "denied unless it equals, as ImageSha384",
            deny("StringNotEquals", "ImageSha384", &image),
            0,
            Err(EXPLICIT_DENY),
            Ok(()),
        ),
        // If the PCR is absent, these operators have the same results as in AWS.
        ("equals if it exists", allow("StringEqualsIfExists", "PCR8", &value), 8, Ok(()), Ok(())),
        ("does not equal", allow("StringNotEquals", "PCR8", &value), 8, Ok(()), Err(IMPLICIT_DENY)),
        (
            "denied if it equals",
            deny("StringEquals", "PCR8", &value),
            8,
            Ok(()),
            Err(EXPLICIT_DENY),
        ),
        (
            "denied unless it equals, if it exists",
            deny("StringNotEqualsIfExists", "PCR8", &value),
            8,
            Err(EXPLICIT_DENY),
            Ok(()),
        ),
        ("absent", allow("Null", "PCR8", "true"), 8, Ok(()), Err(IMPLICIT_DENY)),
        // No platform measures this PCR, so it is always absent.
        (
            "beyond the platform's PCRs",
            allow("StringEquals", "PCR31", &value),
            31,
            Err(IMPLICIT_DENY),
            Err(IMPLICIT_DENY),
        ),
        (
            "denied beyond the platform's PCRs",
            deny("StringNotEquals", "PCR31", &value),
            31,
            Err(EXPLICIT_DENY),
            Err(EXPLICIT_DENY),
        ),
        (
            "other platform's PCR",
            allow("StringEquals", "NitroTPMPCR8", &value),
            8,
            Err(IMPLICIT_DENY),
            Err(IMPLICIT_DENY),
        ),
        (
            "denied by the other platform's PCR",
            deny("StringNotEquals", "NitroTPMPCR8", &value),
            8,
            Err(EXPLICIT_DENY),
            Err(EXPLICIT_DENY),
        ),
        // The PCR is present and zero, which is not the same as absent.
        (
            "unused",
            allow("StringEquals", "PCR9", &value),
            9,
            Err(IMPLICIT_DENY),
            Err(IMPLICIT_DENY),
        ),
    ] {
        cases.push(case(description, policy, register, when_absent, when_present));
    }
    cases
}

fn missing() -> Row {
    let mut row = row("B15", "policy names a PCR that the document lacks: AccessDeniedException");
    let cases = policy_cases();
    let access_key_id = |index: usize| format!("AKIDPCR{index}");
    let configuration = Configuration::signed();
    let configuration =
        cases.iter().enumerate().fold(configuration, |configuration, (index, case)| {
            configuration.credential(&access_key_id(index), "", &case.policy)
        });
    row = row.with_configuration(configuration);
    let whole = document(|_| {});
    let other_value = document(|document| {
        for value in document.pcrs.values_mut() {
            value[0] ^= 1;
        }
    });
    for (index, case) in cases.iter().enumerate() {
        let PolicyCase { description, register, when_absent, when_present, .. } = case;
        let key = access_key_id(index);
        let mut requests = vec![
            ("PCR missing", signed_by(&key, &without(*register)), *when_absent),
            ("PCR present", signed_by(&key, &whole), *when_present),
        ];
        // The next policies require a certain value of the PCR.
        if description.starts_with("PCR") {
            let denial = if description.contains("denied") { EXPLICIT_DENY } else { IMPLICIT_DENY };
            requests.extend([
                ("another value", signed_by(&key, &other_value), Err(denial)),
                ("of a NitroTPM", signed_by(&key, &nitro_tpm()), Err(denial)),
                ("without a Recipient", draft().signed_as(&SigningOptions::by(&key)), Err(denial)),
            ]);
        }
        for (which, bytes, verify_document) in requests {
            let response =
                verify_document.map_or_else(|denial| denied(&key, denial), |()| SEALED_RESPONSE);
            row = row.exchange(
                format!("{description}: {which}"),
                followed_by_signed_request(bytes),
                vec![response, PLAINTEXT_RESPONSE],
            );
        }
    }
    configured(row)
}

/// Adds cases for the setting `[recipient] measurements`, which applies to all callers.
fn configured(mut row: Row) -> Row {
    let entries = format!(
        "[recipient]\nmeasurements = [{{ PCR0 = \"{}\", PCR8 = \"{}\" }}, {{ PCR3 = \"{}\" }}, \
         {{ NitroTPMPCR4 = \"{}\" }}]\n",
        measured(0),
        measured(8),
        measured(3),
        measured(4)
    );
    let without_pcrs = |indices: &'static [u8]| {
        document(|document| document.pcrs.retain(|index, _| !indices.contains(index)))
    };
    let cases = [
        ("all of the first entry", without_pcrs(&[3]), true),
        ("all of the second entry", without_pcrs(&[0, 8]), true),
        ("all of both", without_pcrs(&[]), true),
        ("all of the third entry", nitro_tpm(), true),
        ("half of the first entry", without_pcrs(&[3, 8]), false),
        ("the other half of the first entry", without_pcrs(&[0, 3]), false),
        ("none of any entry", without_pcrs(&[0, 3, 8]), false),
        ("only one PCR", without_pcrs(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]), false),
        (
            "another platform without the PCR",
            document(|document| {
                document.family = PcrFamily::NitroTpm;
                document.pcrs.remove(&4);
            }),
            false,
        ),
        (
            "zeros instead of the missing PCR",
            document(|document| {
                document.pcrs.remove(&3);
                document.pcrs.insert(8, [0; PCR_LENGTH]);
            }),
            false,
        ),
    ];
    let unauthenticated = Configuration::new(format!("[auth]\nmode = \"none\"\n{entries}"))
        .with_development_profile();
    let signed =
        Configuration::new(format!("[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n{entries}"))
            .credential(
                ACCESS_KEY_ID,
                "",
                r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
            );
    row = row.with_configuration(unauthenticated);
    for (description, document, admitted) in &cases {
        let response =
            if *admitted { SEALED_RESPONSE } else { denied_as("anonymous", NOT_ADMITTED) };
        let description = format!("[recipient] measurements, unauthenticated: {description}");
        row = row.exchange(description, generate_random(document), vec![response]);
    }
    row = row.with_configuration(signed);
    for (description, document, admitted) in &cases {
        let response =
            if *admitted { SEALED_RESPONSE } else { denied(ACCESS_KEY_ID, NOT_ADMITTED) };
        let description = format!("[recipient] measurements: {description}");
        row = row.exchange(description, signed_by(ACCESS_KEY_ID, document), vec![response]);
    }
    row
}
