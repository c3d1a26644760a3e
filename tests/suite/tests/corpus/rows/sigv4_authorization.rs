//! Rows E: the Authorization header and its alternatives.

use crate::harness::configuration::{ACCESS_KEY_ID, Configuration};
use crate::harness::requests::{
    BAD_REQUEST, BODY, HEAD_TOO_LARGE, SEALED_RESPONSE, attested_body, document_base64,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::signed_requests::{
    accepts, access_key_form, algorithm, credential_form, draft, followed_by_signed_request,
    mismatch, missing_parameters, missing_token, not_printable, not_signed, query, rejects,
    several_authorizations, unknown_parameter, unrecognized,
};
use crate::harness::sigv4_signer::{
    ALGORITHM, DATE, SIGNED_HEADERS, SigningOptions, UnsignedRequest, scope, sha256,
};

/// Maximum length of an Authorization header, in bytes.
const MAX_AUTHORIZATION: usize = 4096;

pub(crate) fn rows() -> Vec<Row> {
    vec![absent_and_twice(), credentials_and_payloads()]
}

fn absent_and_twice() -> Row {
    let row = row("E23", "Authorization absent, twice").with_configuration(Configuration::signed());
    let row = accepts(row, "once", draft().signed());
    let row = absent(row.exchange(
        "once, with a Recipient",
        UnsignedRequest::new(attested_body()).signed(),
        vec![SEALED_RESPONSE],
    ));
    malformed_authorizations(several_values(row))
}

fn absent(mut row: Row) -> Row {
    for (case, draft) in [
        ("absent", draft()),
        ("absent, with a Recipient", UnsignedRequest::new(attested_body())),
        ("absent, and a body that is not JSON", UnsignedRequest::new("{")),
        (
            "absent, and an incomplete Recipient",
            UnsignedRequest::new(r#"{"NumberOfBytes":32,"Recipient":{}}"#),
        ),
        ("absent, and no body", UnsignedRequest::new("")),
        ("absent, for the other operation", describe()),
        ("absent, for an unknown operation", draft().set("X-Amz-Target", "TrentService.Encrypt")),
        ("absent, and no X-Amz-Target", draft().without("X-Amz-Target")),
        ("absent, and another content type", draft().set("Content-Type", "text/plain")),
        ("absent, and no X-Amz-Date", draft().without("X-Amz-Date")),
        ("absent, and X-Amz-Date twice", draft().with("X-Amz-Date", DATE)),
        ("only a session token", draft().with("X-Amz-Security-Token", "token")),
    ] {
        row = rejects(row, case, draft.unsigned(), missing_token());
    }
    let signature = SigningOptions::default().authorization(&draft());
    for name in ["Proxy-Authorization", "X-Authorization", "Authorisation", "Authorization_"] {
        let bytes = draft().with(name, &signature).unsigned();
        row = rejects(row, format!("in {name}"), bytes, missing_token());
    }
    let health = draft().line("GET /healthz HTTP/1.1").unsigned();
    let other = draft().line("GET / HTTP/1.1").unsigned();
    row.exchange(
        "absent, for requests outside of KMS",
        [health, other].concat(),
        vec![Expected::Ok { body: "ok\n".to_owned() }, Expected::unknown_operation()],
    )
}

fn describe() -> UnsignedRequest {
    UnsignedRequest::new("{}").set("X-Amz-Target", "TrentService.DescribeCustomKeyStores")
}

fn several_values(mut row: Row) -> Row {
    let valid = SigningOptions::default().authorization(&draft());
    let other =
        SigningOptions { secret: "another", ..SigningOptions::default() }.authorization(&draft());
    for (case, values) in [
        ("twice, identical", &[valid.as_str(), &valid][..]),
        ("twice, a wrong one first", &[&other, &valid]),
        ("twice, a wrong one last", &[&valid, &other]),
        ("twice, an empty one first", &["", &valid]),
        ("twice, an empty one last", &[&valid, ""]),
        ("twice, Basic first", &["Basic dTpw", &valid]),
        ("twice, Basic last", &[&valid, "Basic dTpw"]),
        ("twice, both empty", &["", ""]),
        ("three times", &[&valid, &valid, &valid]),
    ] {
        let draft = values.iter().fold(draft(), |draft, value| draft.with("Authorization", value));
        row = rejects(row, case, draft.unsigned(), several_authorizations());
    }
    let both_cases = draft().with("AUTHORIZATION", &valid).with("authorization", &valid);
    row = rejects(row, "twice, in other case", both_cases.unsigned(), several_authorizations());
    let in_one_field = format!("{valid}, {valid}");
    rejects(row, "twice in one", draft().authorized(in_one_field), unknown_parameter())
}

fn malformed_authorizations(mut row: Row) -> Row {
    let valid = SigningOptions::default().authorization(&draft());
    for value in [
        "",
        " \t ",
        "Basic dTpw",
        "Bearer token",
        "AWS AKIDEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=",
        &valid.to_lowercase(),
        &valid.replacen(ALGORITHM, "AWS4-HMAC-SHA512", 1),
        &valid.replacen(ALGORITHM, "AWS4-HMAC-SHA256-PAYLOAD", 1),
        &valid.replacen(ALGORITHM, "AWS4-ECDSA-P256-SHA256", 1),
        &valid.replacen(ALGORITHM, "AWS4-X509-ECDSA-SHA384", 1),
        &valid.replacen(' ', "\t", 1),
        &valid.replacen(' ', ",", 1),
        &valid.replacen("AWS4-HMAC-SHA256 ", "", 1),
    ] {
        row = rejects(row, format!("{value:?}"), draft().authorized(value), algorithm());
    }
    let [credential, headers, signature] = SigningOptions::default().parameters(&draft());
    for (parameters, missing) in [
        (vec![], &["Credential", "Signature", "SignedHeaders"][..]),
        (vec![&credential], &["Signature", "SignedHeaders"]),
        (vec![&headers], &["Credential", "Signature"]),
        (vec![&signature], &["Credential", "SignedHeaders"]),
        (vec![&headers, &signature], &["Credential"]),
        (vec![&credential, &signature], &["SignedHeaders"]),
        (vec![&credential, &headers], &["Signature"]),
    ] {
        let parameters: Vec<&str> = parameters.into_iter().map(String::as_str).collect();
        let value = format!("{ALGORITHM} {}", parameters.join(", "));
        let case = format!("without {}", missing.join(", "));
        row = rejects(row, case, draft().authorized(value), missing_parameters(missing));
    }
    row
}

fn credentials_and_payloads() -> Row {
    let case = "CR, LF, NUL in the access key, 10 kB credential, UNSIGNED-PAYLOAD, presigned query";
    let row = row("E28", case).with_configuration(Configuration::signed());
    presigned(payload_hashes(lengths(access_keys(row))))
}

/// Returns a GenerateRandom request with this access key id in its Authorization header.
fn by(access_key_id: impl AsRef<[u8]>) -> Vec<u8> {
    // Some ids are not UTF-8.
    let authorization = SigningOptions::by("\u{1}").authorization(&draft());
    let (before, behind) = authorization.split_once('\u{1}').unwrap();
    draft().authorized([before.as_bytes(), access_key_id.as_ref(), behind.as_bytes()].concat())
}

fn access_keys(mut row: Row) -> Row {
    // hyper itself rejects the next requests and closes the connection.
    for text in [
        "AKID\rEXAMPLE",
        "AKID\nEXAMPLE",
        "AKID\r\nEXAMPLE",
        "AKID\r\n EXAMPLE",
        "AKID\0EXAMPLE",
        "\0",
        "AKID\u{1b}[2J",
        "AKID\u{7f}",
        "AKID\u{1}",
    ] {
        row = row.exchange(
            format!("{text:?}"),
            followed_by_signed_request(by(text)),
            vec![BAD_REQUEST],
        );
    }
    let injected = by("AKID\r\nX-Injected: a");
    let expected = missing_parameters(&["Signature", "SignedHeaders"]);
    row = rejects(row, "an injected header after it", injected, expected);
    for text in [
        "AKID\tEXAMPLE",
        "AKID EXAMPLE",
        "AKID\"EXAMPLE",
        "\"AKIDEXAMPLE\"",
        "AKID'EXAMPLE",
        "AKID%0d%0aEXAMPLE",
        "AKID%EXAMPLE",
        r"AKID\nEXAMPLE",
        r"AKID\u001bEXAMPLE",
        "AKID=EXAMPLE",
        "AKID;EXAMPLE",
        "AKID-EXAMPLE",
        "AKID.EXAMPLE",
        "<AKIDEXAMPLE>",
        "{AKIDEXAMPLE}",
        "${AKIDEXAMPLE}",
        "*",
        "",
    ] {
        row = rejects(row, format!("{text:?}"), by(text), access_key_form());
    }
    row = rejects(row, "a slash", by("AKID/EXAMPLE"), credential_form());
    row = rejects(row, "a comma", by("AKID,EXAMPLE"), unknown_parameter());
    for text in [
        "AKID\u{e9}XAMPLE",
        "AKID\u{9b}2J",
        "AKID\u{202e}EXAMPLE",
        "\u{ff21}KIDEXAMPLE",
        "AKIDEXAMPL\u{395}",
    ] {
        row = rejects(row, format!("{text:?}"), by(text), not_printable());
    }
    row = rejects(row, "not UTF-8", by(b"AKID\xff\xfe"), not_printable());
    for text in ["AKIDEXAMPLF", "akidexample", "AKIDEXAMPL", "AKIDEXAMPLE_", "A", "_", "0"] {
        row = rejects(row, format!("{text:?}, unknown"), by(text), unrecognized());
    }
    row
}

fn lengths(mut row: Row) -> Row {
    let rest = SigningOptions::by("").authorization(&draft()).len();
    let keyed = |length: usize| by("A".repeat(length));
    for (case, bytes, expected) in [
        ("128 letters", keyed(128), unrecognized()),
        ("129 letters", keyed(129), access_key_form()),
        ("at the maximum length", keyed(MAX_AUTHORIZATION - rest), access_key_form()),
        ("a letter above the maximum length", keyed(MAX_AUTHORIZATION - rest + 1), not_printable()),
        ("10 kB", keyed(10_000), not_printable()),
        ("10 kB of slashes", by("/".repeat(10_000)), not_printable()),
    ] {
        row = rejects(row, case, bytes, expected);
    }
    for (case, bytes) in [("16 KiB", keyed(16 * 1024)), ("64 KiB", keyed(64 * 1024))] {
        row = row.exchange(case, followed_by_signed_request(bytes), vec![HEAD_TOO_LARGE]);
    }
    let spaced =
        format!("{}{}", SigningOptions::default().authorization(&draft()), " ".repeat(10_000));
    // White space around a value is not part of it.
    accepts(row, "10 kB of spaces after the value", draft().authorized(spaced))
}

const CONTENT_SHA256: &str = "X-Amz-Content-Sha256";

fn payload_hashes(mut row: Row) -> Row {
    for hash in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "",
        &sha256(b""),
        &sha256(BODY.as_bytes()).to_uppercase(),
    ] {
        let signing = SigningOptions::over_payload(hash);
        let named = draft().with(CONTENT_SHA256, hash);
        row = rejects(row, format!("{hash:?} signed"), draft().signed_as(&signing), mismatch());
        row = rejects(
            row,
            format!("{hash:?} signed and sent, and the header not signed"),
            named.signed_as(&signing),
            not_signed("x-amz-content-sha256"),
        );
        let signing = signing.and("x-amz-content-sha256");
        let case = format!("{hash:?} signed, sent, and the header signed");
        row = rejects(row, case, named.signed_as(&signing), mismatch());
        // The service hashes the received body and ignores the header's value.
        let case = format!("{hash:?} sent, and the body signed");
        row = accepts(
            row,
            case,
            named.signed_as(&SigningOptions::default().and("x-amz-content-sha256")),
        );
    }
    let recipient = UnsignedRequest::new(attested_body()).with(CONTENT_SHA256, "UNSIGNED-PAYLOAD");
    let signing = SigningOptions::over_payload("UNSIGNED-PAYLOAD").and("x-amz-content-sha256");
    let bytes = recipient.signed_as(&signing);
    row = rejects(row, "UNSIGNED-PAYLOAD, with a Recipient", bytes, mismatch());
    let chunk = format!("14;chunk-signature={}\r\n{BODY}\r\n0\r\n\r\n", "0".repeat(64));
    let streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let chunked = UnsignedRequest::new(chunk)
        .with("Content-Encoding", "aws-chunked")
        .with("X-Amz-Decoded-Content-Length", "20")
        .with(CONTENT_SHA256, streaming);
    let of_aws = |signing: SigningOptions| {
        signing.and("x-amz-content-sha256").and("x-amz-decoded-content-length")
    };
    row = rejects(
        row,
        "a body in signed chunks",
        chunked.signed_as(&of_aws(SigningOptions::over_payload(streaming))),
        mismatch(),
    );
    rejects(
        row,
        "a body in chunks, signed as sent",
        chunked.signed_as(&of_aws(SigningOptions::default())),
        Expected::serialization("trailing characters at line 1 column 3"),
    )
}

fn presigned(mut row: Row) -> Row {
    let credential = format!("{ACCESS_KEY_ID}/{}", scope("20270115")).replace('/', "%2F");
    let unsigned = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={DATE}\
         &X-Amz-Expires=300&X-Amz-SignedHeaders={}",
        SIGNED_HEADERS.replace(';', "%3B")
    );
    let line = |query: &str| format!("POST /?{query} HTTP/1.1");
    let signature = SigningOptions::default().signature(&draft().line(&line(&unsigned)));
    let whole = format!("{unsigned}&X-Amz-Signature={signature}");
    for query_text in [
        whole.as_str(),
        &unsigned,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Security-Token=token",
        "Action=GenerateRandom&NumberOfBytes=32",
        "NumberOfBytes=1",
        "",
        "?",
        "%00",
    ] {
        let draft = draft().line(&line(query_text));
        let case = query_text.get(..40).unwrap_or(query_text);
        let case = format!("?{case} ({})", query_text.len());
        row = rejects(row, format!("{case}, without Authorization"), draft.unsigned(), query());
        row = rejects(row, format!("{case}, with Authorization"), draft.signed(), query());
    }
    let absolute = draft().line(&format!("POST http://localhost/?{whole} HTTP/1.1"));
    row = rejects(row, "in the absolute form", absolute.unsigned(), query());
    let bodied = UnsignedRequest::new(attested_body()).line(&line(&whole));
    row = rejects(row, "with a Recipient", bodied.unsigned(), query());
    let document = format!("Recipient={}", &document_base64()[..16]);
    row = rejects(row, "a Recipient in it", draft().line(&line(&document)).signed(), query());
    // Clients do not send fragments. hyper removes a fragment.
    let fragment = draft().line("POST /#X-Amz-Signature HTTP/1.1");
    accepts(row, "a fragment", fragment.signed_over(&draft()))
}
