//! Rows E: text of clients in the audit trail and in the log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::audit_capture::ExpectedLogs;
use crate::harness::configuration::{ACCESS_KEY_ID, Configuration, SECRET, SESSION_KEY_ID};
use crate::harness::requests::{
    PLAINTEXT_RESPONSE, SEALED_RESPONSE, attested_body, attested_body_with, recipient_body,
    too_large,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::valid_document;
use crate::harness::signed_requests::{
    access_key_form, credential_form, draft, mismatch, missing_token, not_printable, unrecognized,
};
use crate::harness::sigv4_signer::{SigningOptions, UnsignedRequest};

/// Maximum length of a recorded text, in bytes.
const MAX_TEXT: usize = 1024;
/// Maximum length of a recorded header of an unauthenticated caller, in bytes.
const MAX_UNAUTHENTICATED_TEXT: usize = 128;

pub(crate) fn rows() -> Vec<Row> {
    let row = row("E29", "header text with escape sequences: escaped in every log")
        .with_configuration(Configuration::signed());
    vec![headers(bodies(agents(row)))]
}

/// Returns the expected audit record of a request that succeeds.
fn granted(user_agent: Option<&str>) -> ExpectedLogs {
    ExpectedLogs {
        user_agent: user_agent.map(str::to_owned),
        error: None,
        logged: None,
        access_key_id: None,
    }
}

/// Returns the expected audit record and log line of a request that is rejected. The log line
/// repeats the error message.
fn rejected(error: &'static str, message: &str) -> ExpectedLogs {
    let logged = Some(message.to_owned());
    let error = Some((error, Some(clip(message))));
    ExpectedLogs { user_agent: None, error, logged, access_key_id: None }
}

/// Truncates a text to [`MAX_TEXT`] at a character boundary.
fn clip(text: &str) -> String {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap()].to_owned()
}

fn agents(mut row: Row) -> Row {
    let long = "a".repeat(10_000);
    let wide = "\u{9b}".repeat(5_000);
    // The text consists of 1,023 bytes and then of characters of four bytes, so the limit is within
    // a character.
    let multibyte = format!("{}{}", "a".repeat(MAX_TEXT - 1), "\u{1f512}".repeat(10));
    for (case, agent) in [
        ("U+009B, which starts control sequences", "\u{9b}31m red \u{9b}2J"),
        ("U+009D, which sets window titles", "\u{9d}0;title\u{9c}"),
        ("every C1 control character", &('\u{80}'..='\u{9f}').collect::<String>()),
        ("a tab within", "a\tb"),
        ("percent signs", "%s%n%x %0d%0a %1b[2J %00"),
        ("quotes and braces", r#"a"b'c`d","errorCode":"x"}{"#),
        ("backslashes", r"\n\r\u001b[2J\x1b\\"),
        ("shell metacharacters", "$(reboot) `reboot` ; | & > ${jndi:ldap://x}"),
        ("an audit record", r#"{"eventVersion":"1.08","eventName":"GenerateRandom"}"#),
        ("a log line", "2027-01-15T08:00:00.000000Z  INFO request rejected request_id=x"),
        ("markup", "<script>alert(1)</script> &amp;"),
        ("line and paragraph separators", "a\u{2028}b\u{2029}c\u{85}d"),
        ("bidirectional controls", "\u{202e}cba\u{2066}\u{200f}"),
        ("zero-width characters", "a\u{200b}\u{feff}\u{ad}b"),
        ("combining characters without a base", "\u{301}\u{301}e"),
        ("supplementary planes", "\u{1f512}\u{10ffff}\u{e000}"),
        ("very long", &long),
        ("very long, control characters", &wide),
        ("truncated between characters", &multibyte),
    ] {
        let bytes = draft().with("User-Agent", agent).signed();
        row = row.logs(case, bytes, PLAINTEXT_RESPONSE, granted(Some(&clip(agent))));
    }
    for (case, agent, recorded) in [
        ("not UTF-8: the 8-bit control character", &b"a\x9b2J"[..], "a\u{fffd}2J"),
        (
            "not UTF-8: every high byte",
            b"\xff\xfe\xc0\x80\xed\xa0\x80",
            "\u{fffd}".repeat(7).as_str(),
        ),
    ] {
        let bytes = draft().with("User-Agent", agent).signed();
        row = row.logs(case, bytes, PLAINTEXT_RESPONSE, granted(Some(recorded)));
    }
    let mut named = valid_document();
    named.document.module_id = "i-0\u{202e}\u{2028}\"%s".to_owned();
    let named = named.sign().unwrap();
    let two = draft().with("User-Agent", "first").with("User-Agent", "second \u{9b}");
    row.logs("two User-Agents", two.signed(), PLAINTEXT_RESPONSE, granted(Some("first")))
        .logs(
            "an empty User-Agent",
            draft().with("User-Agent", "").signed(),
            PLAINTEXT_RESPONSE,
            granted(Some("")),
        )
        .logs("none", draft().signed(), PLAINTEXT_RESPONSE, granted(None))
        .logs(
            "with a Recipient",
            UnsignedRequest::new(attested_body()).with("User-Agent", "\u{9b}").signed(),
            SEALED_RESPONSE,
            granted(Some("\u{9b}")),
        )
        .logs(
            "with a Recipient whose module_id has bidirectional controls",
            UnsignedRequest::new(attested_body_with(&STANDARD.encode(named))).signed(),
            SEALED_RESPONSE,
            granted(None),
        )
        .logs(
            "with a body over the limit",
            draft().with("User-Agent", "\u{9b}2J").body("x".repeat(512 * 1024 + 1)).signed(),
            too_large(),
            ExpectedLogs {
                user_agent: Some("\u{9b}2J".to_owned()),
                error: Some((
                    "RequestEntityTooLargeException",
                    Some("The request body exceeds 524288 bytes.".to_owned()),
                )),
                // The service logs only rejections by KMS rules. If it logged all rejections,
                // clients could fill the log without effort.
                logged: None,
                access_key_id: None,
            },
        )
        .logs(
            "unsigned request, truncated",
            draft().with("User-Agent", "\u{9b}2J".repeat(1000)).unsigned(),
            missing_token(),
            ExpectedLogs {
                user_agent: Some("\u{9b}2J".repeat(MAX_UNAUTHENTICATED_TEXT / 4)),
                ..rejected("MissingAuthenticationTokenException", "Missing Authentication Token")
            },
        )
}

/// Encodes `text` as JSON that consists of escapes.
fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Texts that could do harm in a terminal or a log viewer, within the API's length limits.
const HARMFUL: [(&str, &str); 14] = [
    ("escape sequences", "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}"),
    ("C1 controls", "\u{9b}2J\u{9d}0;title\u{9c}"),
    ("line feeds", "a\nb\n"),
    ("carriage returns", "a\rb\r\n"),
    ("an audit record", "\"}\n{\"eventName\":\"x\"}"),
    ("a log line after a line feed", "\"\n2027-01-15T08:00:00Z  INFO ok"),
    ("backspaces and deletes", "abc\u{8}\u{8}\u{8}\u{7f}"),
    ("NUL", "a\0b"),
    ("form feed and vertical tab", "a\u{c}\u{b}b\tc"),
    ("percent signs", "%s%n%0d%0a%1b[2J"),
    ("quotes and backslashes", r#"a"b'c\d\n"#),
    ("line separators", "a\u{2028}b\u{2029}c\u{85}"),
    ("bidirectional controls", "\u{202e}cba\u{2066}"),
    ("supplementary planes", "\u{1f512}\u{10ffff}"),
];

fn bodies(mut row: Row) -> Row {
    for (case, text) in HARMFUL {
        let json = escaped(text);
        let body = format!(r#"{{"NumberOfBytes":32,"CustomKeyStoreId":"{json}"}}"#);
        let message = format!("The custom key store {text} does not exist.");
        row = row.logs(
            format!("CustomKeyStoreId: {case}"),
            UnsignedRequest::new(body).signed(),
            Expected::error(400, "CustomKeyStoreNotFoundException", &message),
            ExpectedLogs {
                logged: Some(format!("custom key store {text:?} does not exist")),
                ..rejected("CustomKeyStoreNotFoundException", &message)
            },
        );
        let recipient =
            format!(r#"{{"KeyEncryptionAlgorithm":"{json}","AttestationDocument":"AA=="}}"#);
        let message = format!(
            "1 validation error detected: Value '{text}' at 'recipient.keyEncryptionAlgorithm' \
             failed to satisfy constraint: Member must satisfy enum value set: [RSAES_OAEP_SHA_256]"
        );
        row = row.logs(
            format!("KeyEncryptionAlgorithm: {case}"),
            UnsignedRequest::new(recipient_body(&recipient)).signed(),
            Expected::validation(&message),
            rejected("ValidationException", &message),
        );
        let body = format!(r#"{{"CustomKeyStoreName":"{json}"}}"#);
        let message = format!("The custom key store {text} does not exist.");
        row = row.logs(
            format!("CustomKeyStoreName: {case}"),
            UnsignedRequest::new(body)
                .set("X-Amz-Target", "TrentService.DescribeCustomKeyStores")
                .signed(),
            Expected::error(400, "CustomKeyStoreNotFoundException", &message),
            ExpectedLogs {
                logged: Some(format!("custom key store {text:?} does not exist")),
                ..rejected("CustomKeyStoreNotFoundException", &message)
            },
        );
    }
    let long = "\u{1b}".repeat(60_000);
    let recipient = format!(
        r#"{{"KeyEncryptionAlgorithm":"{}","AttestationDocument":"AA=="}}"#,
        escaped(&long)
    );
    let message = format!(
        "1 validation error detected: Value '{}' at 'recipient.keyEncryptionAlgorithm' failed to \
         satisfy constraint: Member must satisfy enum value set: [RSAES_OAEP_SHA_256]",
        &long[..MAX_TEXT]
    );
    row.logs(
        "KeyEncryptionAlgorithm: 60,000 escapes",
        UnsignedRequest::new(recipient_body(&recipient)).signed(),
        Expected::validation(&message),
        rejected("ValidationException", &message),
    )
}

fn headers(mut row: Row) -> Row {
    let long = "A".repeat(200);
    for (case, access_key_id, error, response) in [
        ("quotes", "a\"b\\n%s", "IncompleteSignatureException", access_key_form()),
        ("a tab", "a\tb", "IncompleteSignatureException", access_key_form()),
        ("slashes", "a/b/c", "IncompleteSignatureException", credential_form()),
        ("C1 controls", "a\u{9b}2J", "IncompleteSignatureException", not_printable()),
        ("bidirectional controls", "a\u{202e}b", "IncompleteSignatureException", not_printable()),
        ("200 letters", &long, "IncompleteSignatureException", access_key_form()),
        ("an unknown one", "A_B", "UnrecognizedClientException", unrecognized()),
        ("one of a session", SESSION_KEY_ID, "UnrecognizedClientException", unrecognized()),
    ] {
        let mut trace = rejected(error, &response.message());
        trace.access_key_id = Some(access_key_id.chars().take(128).collect());
        row = row.logs(format!("an access key: {case}"), by(access_key_id), response, trace);
    }
    let trace = rejected("IncompleteSignatureException", &credential_form().message());
    row = row.logs(
        "an access key: the secret, misplaced",
        by(SECRET),
        credential_form(),
        ExpectedLogs { access_key_id: Some("(a secret of the configuration)".to_owned()), ..trace },
    );
    let trace = rejected("InvalidSignatureException", &mismatch().message());
    row = row.logs(
        "a target of C1 controls",
        draft().set("X-Amz-Target", "Trent\u{9b}2J").signed_over(&draft()),
        mismatch(),
        ExpectedLogs { access_key_id: Some(ACCESS_KEY_ID.to_owned()), ..trace },
    );
    let response = Expected::validation("Content-Type must be application/x-amz-json-1.1");
    let trace = rejected("ValidationException", &response.message());
    row = row.logs(
        "a content type of C1 controls",
        draft().set("Content-Type", "text/\u{9b}2J").signed(),
        response,
        ExpectedLogs {
            logged: Some("Content-Type is not application/x-amz-json-1.1".to_owned()),
            ..trace
        },
    );
    let target = "TrentService.\u{9b}2J\"%s";
    let response = Expected::unknown_target(target);
    let trace = rejected("UnknownOperationException", &response.message());
    let request = draft().set("X-Amz-Target", target).signed();
    row.logs("a target of C1 controls, signed", request, response, trace)
}

fn by(access_key_id: &str) -> Vec<u8> {
    draft().signed_as(&SigningOptions::by(access_key_id))
}
