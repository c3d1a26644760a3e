//! Rows E: changes to a request after it was signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::configuration::{ACCESS_KEY_ID, Configuration, SESSION_KEY_ID, SESSION_TOKEN};
use crate::harness::requests::{
    BODY, PLAINTEXT_RESPONSE, SEALED_RESPONSE, attested_body, attested_body_with, document,
    document_base64, recipient_body,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::{RECIPIENTS, valid_document};
use crate::harness::signed_requests::{
    accepts, access_key_form, draft, followed_by_signed_request, incomplete, mismatch, rejects,
    unrecognized,
};
use crate::harness::sigv4_signer::{SigningOptions, UnsignedRequest};

pub(crate) fn rows() -> Vec<Row> {
    vec![changed()]
}

fn changed() -> Row {
    let row = row("E27", "body or Recipient changed after signing")
        .with_configuration(Configuration::signed());
    secrets_of_others(signatures(heads(recipients(bodies(row)))))
}

fn bodies(mut row: Row) -> Row {
    for index in 0..BODY.len() {
        for bit in 0..8 {
            let mut body = BODY.as_bytes().to_vec();
            body[index] ^= 1 << bit;
            let bytes = UnsignedRequest::new(body).signed_over(&draft());
            row = rejects(row, format!("bit {bit} of byte {index}"), bytes, mismatch());
        }
    }
    for (case, body) in [
        ("NumberOfBytes increased", r#"{"NumberOfBytes":1024}"#),
        ("NumberOfBytes decreased", r#"{"NumberOfBytes":1}"#),
        ("NumberOfBytes out of range", r#"{"NumberOfBytes":0}"#),
        ("an insignificant space added", r#"{"NumberOfBytes": 32}"#),
        ("a line feed added", "{\"NumberOfBytes\":32}\n"),
        ("the last byte removed", r#"{"NumberOfBytes":32"#),
        ("twice", r#"{"NumberOfBytes":32}{"NumberOfBytes":32}"#),
        ("a member added", r#"{"NumberOfBytes":32,"CustomKeyStoreId":null}"#),
        ("not JSON", "NumberOfBytes=32"),
        ("empty", ""),
    ] {
        row = rejects(row, case, UnsignedRequest::new(body).signed_over(&draft()), mismatch());
        row = rejects(
            row,
            format!("{case}, signed and sent swapped"),
            draft().signed_over(&UnsignedRequest::new(body)),
            mismatch(),
        );
    }
    row
}

fn recipients(row: Row) -> Row {
    let attested = UnsignedRequest::new(attested_body());
    let mut foreign = valid_document();
    foreign.document.public_key = Some(RECIPIENTS[1].public_key_der().to_vec());
    let foreign = STANDARD.encode(foreign.sign().unwrap());
    let mut row = row.exchange(
        "a Recipient, unchanged",
        followed_by_signed_request(attested.signed()),
        vec![SEALED_RESPONSE, PLAINTEXT_RESPONSE],
    );
    for (case, body) in [
        ("Recipient dropped", BODY.to_owned()),
        ("Recipient null", recipient_body("null")),
        ("Recipient empty", recipient_body("{}")),
        ("Recipient renamed", attested_body().replace("Recipient", "recipient")),
        ("another Recipient's document", attested_body_with(&foreign)),
        ("another algorithm", attested_body().replace("SHA_256", "SHA_1")),
        (
            "the same document, with other escapes",
            attested_body_with(&document_base64().replacen('/', r"\/", 1)),
        ),
        ("NumberOfBytes changed beside a Recipient", attested_body().replacen("32", "33", 1)),
    ] {
        row = rejects(row, case, UnsignedRequest::new(body).signed_over(&attested), mismatch());
    }
    // The request is signed without a Recipient and sent with a Recipient. An attacker must not
    // obtain bytes that are sealed to the attacker's key.
    row = rejects(row, "Recipient added", attested.signed_over(&draft()), mismatch());
    let mut document = document().to_vec();
    for index in (0..document.len()).step_by(97) {
        document[index] ^= 0x80;
        let body = attested_body_with(&STANDARD.encode(&document));
        row = rejects(
            row,
            format!("a bit of byte {index} of the document"),
            UnsignedRequest::new(body).signed_over(&attested),
            mismatch(),
        );
        document[index] ^= 0x80;
    }
    row
}

fn heads(mut row: Row) -> Row {
    let over_draft = |changed: UnsignedRequest| changed.signed_over(&draft());
    for (case, changed) in [
        (
            "the other operation",
            draft().set("X-Amz-Target", "TrentService.DescribeCustomKeyStores"),
        ),
        ("no operation", draft().set("X-Amz-Target", "TrentService.Decrypt")),
        ("no target", draft().without("X-Amz-Target")),
        ("another host", draft().set("Host", "kms.eu-west-1.amazonaws.com")),
        ("another content type", draft().set("Content-Type", "application/x-amz-json-1.0")),
        ("no content type", draft().without("Content-Type")),
    ] {
        row = rejects(row, case, over_draft(changed), mismatch());
    }
    let describe =
        UnsignedRequest::new("{}").set("X-Amz-Target", "TrentService.DescribeCustomKeyStores");
    let none = Expected::Ok { body: r#"{"CustomKeyStores":[]}"#.to_owned() };
    row = row.exchange(
        "the other operation, signed",
        followed_by_signed_request(describe.signed()),
        vec![none, PLAINTEXT_RESPONSE],
    );
    // A request with another method or path is not a KMS request, so the service does not check its
    // signature.
    for line in ["GET / HTTP/1.1", "PUT / HTTP/1.1", "POST // HTTP/1.1", "POST /x HTTP/1.1"] {
        let bytes = over_draft(draft().line(line));
        row = rejects(row, line, bytes, Expected::unknown_operation());
    }
    row = rejects(
        row,
        "another path signed, the root sent",
        draft().signed_over(&draft().line("POST /x HTTP/1.1")),
        mismatch(),
    );
    row = rejects(
        row,
        "another method signed, POST sent",
        draft().signed_over(&draft().line("GET / HTTP/1.1")),
        mismatch(),
    );
    // Unsigned headers may change between the client and the service, because proxies add headers.
    for (case, changed) in [
        ("User-Agent added", draft().with("User-Agent", "other")),
        ("X-Forwarded-For added", draft().with("X-Forwarded-For", "203.0.113.7")),
        ("Connection added", draft().with("Connection", "keep-alive")),
        ("correct Content-Length added", draft().with("Content-Length", "20")),
        ("the absolute form", draft().line("POST http://localhost/ HTTP/1.1")),
    ] {
        row = accepts(row, case, over_draft(changed));
    }
    // The host in the request target is not signed. Only the header Host is signed.
    let bytes = over_draft(draft().line("POST http://other/ HTTP/1.1"));
    let message = "the Host header must match the authority of the request target";
    let response = Expected::validation(message).and_close();
    row.exchange("the absolute form of another host", bytes, vec![response])
}

fn signatures(mut row: Row) -> Row {
    let [credential, headers, signature] = SigningOptions::default().parameters(&draft());
    let with = |signature: &str| {
        draft()
            .authorized(format!("AWS4-HMAC-SHA256 {credential}, {headers}, Signature={signature}"))
    };
    let signature = signature.strip_prefix("Signature=").unwrap();
    for index in 0..signature.len() {
        let mut digits = signature.as_bytes().to_vec();
        digits[index] = if digits[index] == b'0' { b'1' } else { b'0' };
        let bytes = with(std::str::from_utf8(&digits).unwrap());
        row = rejects(row, format!("digit {index} of the signature"), bytes, mismatch());
    }
    for digit in ["0", "f"] {
        row = rejects(row, format!("{digit} throughout"), with(&digit.repeat(64)), mismatch());
    }
    let form = || incomplete("Signature must be 64 lower-case hexadecimal digits.");
    for (case, value) in [
        ("no signature", String::new()),
        ("one digit missing", signature[..63].to_owned()),
        ("one digit added", format!("{signature}0")),
        ("half of it", signature[..32].to_owned()),
        ("in upper case", format!("{}A", signature[..63].to_uppercase())),
        ("with 0x", format!("0x{}", &signature[..62])),
        ("in base64", STANDARD.encode(signature)),
        ("with a space inside", format!("{} {}", &signature[..31], &signature[32..])),
        ("another letter", format!("{}g", &signature[..63])),
    ] {
        row = rejects(row, case, with(&value), form());
    }
    row
}

fn secrets_of_others(mut row: Row) -> Row {
    for secret in
        ["", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKE"]
    {
        let signing = SigningOptions { secret, ..SigningOptions::default() };
        row =
            rejects(row, format!("the secret {secret:?}"), draft().signed_as(&signing), mismatch());
    }
    const TOKEN: &str = "X-Amz-Security-Token";
    let (ours, session) = (SigningOptions::default(), SigningOptions::by(SESSION_KEY_ID));
    let signed = session.clone().and("x-amz-security-token");
    let ours_signed = ours.clone().and("x-amz-security-token");
    for (case, draft, signing) in [
        ("a session without its token", draft(), &session),
        ("another session's token", draft().with(TOKEN, "other"), &signed),
        ("a session's token truncated", draft().with(TOKEN, &SESSION_TOKEN[1..]), &signed),
        (
            "a session's token in other case",
            draft().with(TOKEN, SESSION_TOKEN.to_uppercase()),
            &signed,
        ),
        ("an empty token", draft().with(TOKEN, ""), &signed),
        ("a token for a credential without one", draft().with(TOKEN, SESSION_TOKEN), &ours_signed),
        ("an empty token for a credential without one", draft().with(TOKEN, ""), &ours_signed),
    ] {
        row = rejects(row, case, draft.signed_as(signing), unrecognized());
    }
    let stripped = draft().with(TOKEN, SESSION_TOKEN);
    row = rejects(
        row,
        "a signed token stripped",
        draft().authorized(signed.authorization(&stripped)),
        unrecognized(),
    );
    let named = ours.authorization(&draft());
    let other = named.replace(ACCESS_KEY_ID, "AKIDOTHER");
    row = rejects(row, "an unknown access key", draft().authorized(other), unrecognized());
    let none = named.replace(ACCESS_KEY_ID, "");
    rejects(row, "no access key", draft().authorized(none), access_key_form())
}
