//! Rows E: the operation of a request, HTTP versions, and request targets.

use crate::harness::requests::{
    BAD_REQUEST, BODY, BODY_LENGTH, JSON, PLAINTEXT_RESPONSE, SEALED_RESPONSE, TARGET,
    attested_body, followed_by_plain_request, plain, request, with_framing,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::post;

pub(crate) fn rows() -> Vec<Row> {
    vec![methods_and_forms(), http2(), targets(), content_types()]
}

fn methods_and_forms() -> Row {
    let unknown = Expected::unknown_operation;
    let fields = [JSON, TARGET, BODY_LENGTH];
    let length = r#"{"__type":"UnknownOperationException"}"#.len();
    let mut row = row("E10", "GET, OPTIONS, absolute form: only POST / is the API")
        .exchange(
            "HEAD",
            followed_by_plain_request(request("HEAD / HTTP/1.1", &fields, BODY)),
            vec![Expected::Head { status: 400, length }, PLAINTEXT_RESPONSE],
        )
        .exchange(
            "HTTP/1.0",
            followed_by_plain_request(request("POST / HTTP/1.0", &fields, BODY)),
            vec![PLAINTEXT_RESPONSE],
        )
        .exchange(
            "HTTP/1.0 with keep-alive",
            followed_by_plain_request(request(
                "POST / HTTP/1.0",
                &[JSON, TARGET, BODY_LENGTH, "Connection: keep-alive"],
                BODY,
            )),
            vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        )
        .exchange_until_closed(
            "HTTP/1.0, client stays connected",
            format!("POST / HTTP/1.0\r\n{}\r\n\r\n{BODY}", fields.join("\r\n")),
            vec![PLAINTEXT_RESPONSE],
        );
    for form in [
        "POST http://localhost/ HTTP/1.1",
        "POST http://localhost HTTP/1.1",
        "POST https://LOCALHOST/ HTTP/1.1",
        "POST http://user@localhost/ HTTP/1.1",
        // KMS has no query parameters.
        "POST /?Action=Encrypt HTTP/1.1",
        "POST http://localhost/?Action=Encrypt HTTP/1.1",
    ] {
        row = row.exchange(
            form,
            followed_by_plain_request(request(form, &fields, BODY)),
            vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        );
    }
    row = other_authorities(row, &fields);
    let body = attested_body();
    let attested_length = format!("Content-Length: {}", body.len());
    row = row.exchange(
        "absolute form, with a Recipient",
        request("POST http://localhost/ HTTP/1.1", &[JSON, TARGET, &attested_length], body),
        vec![SEALED_RESPONSE],
    );
    for form in [
        "GET / HTTP/1.1",
        "OPTIONS / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PUT / HTTP/1.1",
        "DELETE / HTTP/1.1",
        "PATCH / HTTP/1.1",
        "TRACE / HTTP/1.1",
        "CONNECT localhost:443 HTTP/1.1",
        "post / HTTP/1.1",
        "POSTS / HTTP/1.1",
        "GET http://localhost/ HTTP/1.1",
        "POST * HTTP/1.1",
        "POST localhost:80 HTTP/1.1",
        "POST // HTTP/1.1",
        "POST /. HTTP/1.1",
        "POST /%2f HTTP/1.1",
        "POST /x HTTP/1.1",
        "POST /healthz HTTP/1.1",
        "POST http://localhost/x HTTP/1.1",
    ] {
        let bytes = followed_by_plain_request(request(form, &fields, BODY));
        row = row.exchange(form, bytes, vec![unknown(), PLAINTEXT_RESPONSE]);
    }
    row
}

/// Adds requests whose target contains another host than the header Host (localhost). A signature
/// covers only the header, so the service must not use the host of the target.
fn other_authorities(mut row: Row, fields: &[&str]) -> Row {
    let message = "the Host header must match the authority of the request target";
    for form in [
        "POST https://kms.eu-west-1.amazonaws.com/ HTTP/1.1",
        "POST http://localhost:80/ HTTP/1.1",
        "POST http://user@localhost:80/ HTTP/1.1",
        "POST http://localhost@other/ HTTP/1.1",
        "GET http://other/healthz HTTP/1.1",
    ] {
        let response = Expected::validation(message).and_close();
        row = row.exchange(
            form,
            followed_by_plain_request(request(form, fields, BODY)),
            vec![response],
        );
    }
    row
}

fn http2() -> Row {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let upgrade =
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"];
    let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
    row("E11", "an HTTP/2 preface: closed without a response, or 400 by hyper")
        // hyper recognizes the complete preface of HTTP/2 and sends no response. A client of HTTP/2
        // could not read an HTTP/1.1 response.
        .exchange("the preface", preface, vec![])
        .exchange_until_closed(
            "the preface, client stays connected",
            [&preface[..], settings].concat(),
            vec![],
        )
        .exchange("the preface, followed by a request", followed_by_plain_request(preface), vec![])
        .exchange("the preface, truncated", &preface[..18], vec![BAD_REQUEST])
        .exchange(
            "the preface after a request",
            [&plain()[..], preface].concat(),
            vec![PLAINTEXT_RESPONSE],
        )
        .exchange(
            "another version",
            followed_by_plain_request(b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"),
            vec![BAD_REQUEST],
        )
        .exchange(
            "an upgrade: ignored",
            followed_by_plain_request(with_framing(&[&upgrade[..], &[BODY_LENGTH]].concat(), BODY)),
            vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        )
        .exchange("TLS", hello, vec![BAD_REQUEST])
        .exchange("frames without the preface", settings, vec![BAD_REQUEST])
}

fn targets() -> Row {
    let with = |fields: &[&str]| {
        followed_by_plain_request(request(
            "POST / HTTP/1.1",
            &[&[JSON, BODY_LENGTH], fields].concat(),
            BODY,
        ))
    };
    let unknown = |target: &str| vec![Expected::unknown_target(target), PLAINTEXT_RESPONSE];
    let rejected = || unknown("");
    let describe = "X-Amz-Target: TrentService.DescribeCustomKeyStores";
    let mut row = row("E13", "X-Amz-Target missing, twice")
        .exchange("missing", with(&[]), rejected())
        .exchange("twice", with(&[TARGET, TARGET]), rejected())
        .exchange("two", with(&[TARGET, describe]), rejected())
        .exchange("two, in reverse order", with(&[describe, TARGET]), rejected())
        .exchange("an empty one before", with(&["X-Amz-Target:", TARGET]), rejected())
        .exchange(
            "in another case",
            with(&["x-AMZ-target: TrentService.GenerateRandom"]),
            vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        )
        .exchange(
            "white space around",
            with(&["X-Amz-Target:\tTrentService.GenerateRandom \t"]),
            vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        )
        .exchange(
            "the other operation",
            post("TrentService.DescribeCustomKeyStores", b"{}"),
            vec![Expected::Ok { body: r#"{"CustomKeyStores":[]}"#.to_owned() }],
        )
        .exchange(
            "in the query",
            {
                let line = "POST /?X-Amz-Target=TrentService.GenerateRandom HTTP/1.1";
                followed_by_plain_request(request(line, &[JSON, BODY_LENGTH], BODY))
            },
            rejected(),
        );
    for target in [
        "",
        "GenerateRandom",
        "TrentService",
        "TrentService.",
        ".GenerateRandom",
        "TrentService.generaterandom",
        "trentservice.GenerateRandom",
        "TRENTSERVICE.GENERATERANDOM",
        "TrentService..GenerateRandom",
        "TrentService.GenerateRandomX",
        "TrentService.Generate\tRandom",
        "TrentService.GenerateRandom, TrentService.GenerateRandom",
        "\"TrentService.GenerateRandom\"",
        "TrentService.GenerateR\u{e4}ndom",
        "\u{feff}TrentService.GenerateRandom",
        "TrentServiceV2.GenerateRandom",
        "DynamoDB_20120810.GenerateRandom",
        "TrentService.GenerateDataKey",
        "TrentService.%47enerateRandom",
    ] {
        let field = format!("X-Amz-Target: {target}");
        row = row.exchange(format!("{target:?}"), with(&[&field]), unknown(target));
    }
    row
}

fn content_types() -> Row {
    let with = |fields: &[&str]| {
        followed_by_plain_request(request(
            "POST / HTTP/1.1",
            &[&[TARGET, BODY_LENGTH], fields].concat(),
            BODY,
        ))
    };
    let message = "Content-Type must be application/x-amz-json-1.1";
    let rejected = || vec![Expected::validation(message), PLAINTEXT_RESPONSE];
    let mut row = row("E14", "another content type: ValidationException")
        .exchange("missing", with(&[]), rejected())
        .exchange("twice", with(&[JSON, JSON]), rejected())
        .exchange("two", with(&["Content-Type: text/plain", JSON]), rejected())
        .exchange(
            "without an operation",
            {
                let fields = ["Content-Type: text/plain", BODY_LENGTH];
                followed_by_plain_request(request("POST / HTTP/1.1", &fields, BODY))
            },
            vec![Expected::unknown_target(""), PLAINTEXT_RESPONSE],
        );
    for content_type in [
        "",
        ";",
        "text/plain",
        "text/plain; application/x-amz-json-1.1",
        "application/json",
        "application/cbor",
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.10",
        "application/x-amz-json",
        "x-amz-json-1.1",
        "application/x-amz-json-1.1, text/plain",
        "application/ x-amz-json-1.1",
        "application/x-amz-j\u{f6}n-1.1",
        "application/x-www-form-urlencoded",
    ] {
        let field = format!("Content-Type: {content_type}");
        row = row.exchange(format!("{content_type:?}"), with(&[&field]), rejected());
    }
    for content_type in [
        "Application/X-Amz-JSON-1.1",
        "application/x-amz-json-1.1;charset=utf-8",
        "application/x-amz-json-1.1 ; charset=\"UTF-8\"",
        "application/x-amz-json-1.1;",
    ] {
        let field = format!("Content-Type: {content_type}");
        row = row.exchange(
            content_type,
            with(&[&field]),
            vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        );
    }
    row
}
