//! Rows E: bodies, bytes after a body, and the header `Expect`.

use crate::harness::requests::{
    BAD_REQUEST, BODY, BODY_LENGTH, HEAD_TOO_LARGE, JSON, PLAINTEXT_RESPONSE, SEALED_RESPONSE,
    TARGET, attested, attested_body, empty_body, followed_by_plain_request, generate, plain,
    request, too_large, transfer_encoding, with_framing,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::{ClosedBy, Step, post};

const MAX_BODY: usize = 512 * 1024;

pub(crate) fn rows() -> Vec<Row> {
    vec![large_bodies(), wrong_lengths(), pipelining(), expectations()]
}

fn large_bodies() -> Row {
    let padded = |body: &str, length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    let over = || generate(padded(BODY, MAX_BODY + 1));
    let no_body = |length: &str| with_framing(&[&format!("Content-Length: {length}")], "");
    let ten_gigabytes = || no_body("10000000000");
    let health = format!("Content-Length: {}", MAX_BODY + 1);
    let health = request("GET /healthz HTTP/1.1", &[&health], "x".repeat(MAX_BODY + 1));
    let rejected = || vec![too_large()];
    row("E07", "body over 512 KiB: 413, closed")
        .exchange("at the limit", generate(padded(BODY, MAX_BODY)), vec![PLAINTEXT_RESPONSE])
        .exchange(
            "at the limit, with a Recipient",
            generate(padded(&attested_body(), MAX_BODY)),
            vec![SEALED_RESPONSE],
        )
        .exchange("a byte over the limit", followed_by_plain_request(over()), rejected())
        .exchange_until_closed("a byte over the limit, client stays connected", over(), rejected())
        // The service must read the whole body before it closes. If bytes were unread, TCP could
        // discard the response.
        .exchange_steps(
            "a byte over the limit, all of it read",
            vec![Step::SendAll(over()), Step::Receive(too_large())],
            ClosedBy::Service,
        )
        .exchange(
            "a byte over the limit, with a Recipient",
            generate(padded(&attested_body(), MAX_BODY + 1)),
            rejected(),
        )
        .exchange(
            "more than the service reads and discards",
            generate(" ".repeat(5 << 20)),
            rejected(),
        )
        .exchange(
            "health check with a body over the limit",
            followed_by_plain_request(health),
            rejected(),
        )
        .exchange("a byte over the limit announced, none sent", no_body("524289"), rejected())
        .exchange("10 GB announced, none sent", ten_gigabytes(), rejected())
        .exchange_steps(
            "10 GB announced, none sent, client stays connected",
            vec![Step::Send(ten_gigabytes()), Step::Receive(too_large())],
            ClosedBy::Deadline,
        )
        .exchange(
            "10 GB announced, a request sent",
            followed_by_plain_request(ten_gigabytes()),
            rejected(),
        )
        .exchange("2^63", followed_by_plain_request(no_body("9223372036854775808")), rejected())
        // hyper uses two values of the length for other purposes. For these two, hyper returns 431
        // instead of 400 and also closes the connection.
        .exchange(
            "2^64 - 3",
            followed_by_plain_request(no_body("18446744073709551613")),
            rejected(),
        )
        .exchange(
            "2^64 - 2",
            followed_by_plain_request(no_body("18446744073709551614")),
            vec![HEAD_TOO_LARGE],
        )
        .exchange(
            "2^64 - 1",
            followed_by_plain_request(no_body("18446744073709551615")),
            vec![HEAD_TOO_LARGE],
        )
        .exchange(
            "2^64",
            followed_by_plain_request(no_body("18446744073709551616")),
            vec![BAD_REQUEST],
        )
        .exchange(
            "2^127",
            followed_by_plain_request(no_body(&2_u128.pow(127).to_string())),
            vec![BAD_REQUEST],
        )
}

fn wrong_lengths() -> Row {
    let with_length =
        |length: usize, body: &[u8]| with_framing(&[&format!("Content-Length: {length}")], body);
    let cut = || vec![Expected::serialization("EOF while parsing a value at line 1 column 17")];
    let trailing = || vec![Expected::serialization("trailing characters at line 1 column 21")];
    let both = [BODY.as_bytes(), &plain()].concat();
    let both_attested = [BODY.as_bytes(), &attested()].concat();
    let never = |bytes| vec![Step::Send(bytes)];
    row("E08", "wrong Content-Length: too long, too short, absent")
        .exchange("a byte too long, nothing after it", with_length(21, BODY.as_bytes()), vec![])
        .exchange_steps(
            "a byte too long, client stays connected",
            never(with_length(21, BODY.as_bytes())),
            ClosedBy::Deadline,
        )
        .exchange_steps(
            "a body that is never sent",
            never(with_length(20, b"")),
            ClosedBy::Deadline,
        )
        .exchange("a byte too long, followed by a request", with_length(21, &both), {
            let mut responses = trailing();
            // The body includes the P of the next request, so the next request has the method OST.
            responses.push(Expected::unknown_operation());
            responses
        })
        .exchange("as long as both requests", with_length(both.len(), &both), trailing())
        .exchange("longer than both requests", with_length(both.len() + 1, &both), vec![])
        .exchange(
            "as long as both requests, the second with a Recipient",
            with_length(both_attested.len(), &both_attested),
            trailing(),
        )
        // The bytes after the announced length start the next request.
        .exchange("three bytes too short", with_length(17, BODY.as_bytes()), {
            let mut responses = cut();
            responses.push(BAD_REQUEST);
            responses
        })
        .exchange("three bytes too short, followed by a request", with_length(17, &both), {
            let mut responses = cut();
            responses.push(BAD_REQUEST);
            responses
        })
        .exchange(
            "0",
            followed_by_plain_request(with_length(0, BODY.as_bytes())),
            vec![empty_body(), BAD_REQUEST],
        )
        .exchange(
            "absent",
            followed_by_plain_request(with_framing(&["X-A: a"], BODY)),
            vec![empty_body(), BAD_REQUEST],
        )
        .exchange(
            "correct, followed by a request",
            with_length(20, &both),
            vec![PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        )
        .exchange(
            "correct, followed by a request with a Recipient",
            with_length(20, &both_attested),
            vec![PLAINTEXT_RESPONSE, SEALED_RESPONSE],
        )
        .exchange(
            "0, a health check as the body",
            with_length(0, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"),
            vec![empty_body(), Expected::Ok { body: "ok\n".to_owned() }],
        )
        .exchange(
            "correct, a request as the body",
            with_length(plain().len(), &plain()),
            vec![Expected::serialization("expected value at line 1 column 1")],
        )
        .exchange(
            "a health check with a request as its body",
            request(
                "GET /healthz HTTP/1.1",
                &[&format!("Content-Length: {}", plain().len())],
                plain(),
            ),
            vec![Expected::Ok { body: "ok\n".to_owned() }],
        )
}

fn pipelining() -> Row {
    let after = |bytes: Vec<u8>| [bytes, plain(), attested()].concat();
    let rejected = |response: Expected| vec![response, PLAINTEXT_RESPONSE, SEALED_RESPONSE];
    let not_json = || Expected::serialization("expected value at line 1 column 1");
    let missing = || Expected::validation("NumberOfBytes is required.");
    let closing = [JSON, TARGET, BODY_LENGTH, "Connection: close"];
    row("E09", "pipelining after an error: served unless the error closes the connection")
        .exchange(
            "two valid requests",
            [plain(), attested()].concat(),
            vec![PLAINTEXT_RESPONSE, SEALED_RESPONSE],
        )
        .exchange("not JSON", after(generate("x")), rejected(not_json()))
        .exchange("out of range", after(generate("{}")), rejected(missing()))
        .exchange(
            "no operation",
            after(post("TrentService.Encrypt", b"{}")),
            rejected(Expected::unknown_target("TrentService.Encrypt")),
        )
        .exchange(
            "an unknown path",
            after(request("GET /x HTTP/1.1", &["Content-Length: 3"], "abc")),
            rejected(Expected::unknown_operation()),
        )
        .exchange(
            "five",
            [generate("x"), plain(), generate("{}"), attested(), generate("x")].concat(),
            vec![not_json(), PLAINTEXT_RESPONSE, missing(), SEALED_RESPONSE, not_json()],
        )
        .exchange("a malformed head", after(with_framing(&["X-A : a"], "")), vec![BAD_REQUEST])
        .exchange(
            "a malformed head after a valid request",
            [plain(), with_framing(&["X-A : a"], ""), plain()].concat(),
            vec![PLAINTEXT_RESPONSE, BAD_REQUEST],
        )
        .exchange(
            "Transfer-Encoding",
            after(with_framing(&["Transfer-Encoding: chunked"], "0\r\n\r\n")),
            vec![transfer_encoding()],
        )
        .exchange(
            "a body over the limit",
            after(generate(" ".repeat(MAX_BODY + 1))),
            vec![too_large()],
        )
        .exchange(
            "Connection: close",
            after(request("POST / HTTP/1.1", &closing, BODY)),
            vec![PLAINTEXT_RESPONSE.and_close()],
        )
        .exchange_until_closed(
            "Connection: close with an error, client stays connected",
            after(request("GET / HTTP/1.1", &["Connection: close"], "")),
            vec![Expected::unknown_operation().and_close()],
        )
        .exchange_steps(
            "alternating requests and responses",
            vec![
                Step::Send(generate("x")),
                Step::Receive(not_json()),
                Step::Send(attested()),
                Step::Receive(SEALED_RESPONSE),
                Step::Send(with_framing(&["X-A : a"], "")),
                Step::Receive(BAD_REQUEST),
                Step::Send(plain()),
            ],
            ClosedBy::Service,
        )
}

fn expectations() -> Row {
    let body = attested_body();
    let length = format!("Content-Length: {}", body.len());
    let over = format!("Content-Length: {}", MAX_BODY + 1);
    let expect = |expectation: &str, length: &str| {
        Step::Send(with_framing(&[&format!("Expect: {expectation}"), length], ""))
    };
    let send = |bytes: &str| Step::Send(bytes.as_bytes().to_vec());
    let receive = Step::Receive;
    let waits = |expectation: &str| {
        let head = expect(expectation, BODY_LENGTH);
        vec![head, receive(Expected::Continue), send(BODY), receive(PLAINTEXT_RESPONSE)]
    };
    let does_not_wait = |expectation: &str| {
        vec![expect(expectation, BODY_LENGTH), send(BODY), receive(PLAINTEXT_RESPONSE)]
    };
    let no_body = with_framing(&["Expect: 100-continue"], "");
    let http_10 =
        request("POST / HTTP/1.0", &[JSON, TARGET, BODY_LENGTH, "Expect: 100-continue"], BODY);
    let over_other = vec![
        expect("200-ok", &over),
        Step::SendAll(vec![b' '; MAX_BODY + 1]),
        receive(too_large()),
    ];
    let head = request(
        "POST / HTTP/1.0",
        &[JSON, TARGET, &over, "Expect: 100-continue"],
        vec![b' '; MAX_BODY + 1],
    );
    let over_http_10 = vec![Step::SendAll(head), receive(too_large())];
    row("E12", "Expect: 100-continue: continued unless the head is rejected")
        .exchange_steps("with a body", waits("100-continue"), ClosedBy::Client)
        .exchange_steps("in other case", waits("100-Continue"), ClosedBy::Client)
        .exchange_steps(
            "with a Recipient",
            vec![
                expect("100-continue", &length),
                receive(Expected::Continue),
                send(&body),
                receive(SEALED_RESPONSE),
                Step::Send(plain()),
                receive(PLAINTEXT_RESPONSE),
            ],
            ClosedBy::Client,
        )
        .exchange(
            "with a body sent without waiting",
            followed_by_plain_request(with_framing(&["Expect: 100-continue", BODY_LENGTH], BODY)),
            vec![Expected::Continue, PLAINTEXT_RESPONSE, PLAINTEXT_RESPONSE],
        )
        .exchange(
            "without a body",
            followed_by_plain_request(no_body),
            vec![empty_body(), PLAINTEXT_RESPONSE],
        )
        .exchange_steps(
            "with a body that is never sent",
            vec![expect("100-continue", BODY_LENGTH), receive(Expected::Continue)],
            ClosedBy::Deadline,
        )
        .exchange_steps(
            "with a body over the limit",
            vec![expect("100-continue", &over), receive(too_large())],
            ClosedBy::Service,
        )
        .exchange_steps(
            "with a body over the limit, replaced by a request",
            vec![expect("100-continue", &over), receive(too_large()), Step::Send(plain())],
            ClosedBy::Service,
        )
        .exchange_steps(
            "an operation that does not exist",
            vec![
                Step::Send(request("POST /x HTTP/1.1", &["Expect: 100-continue", BODY_LENGTH], "")),
                receive(Expected::Continue),
                send(BODY),
                receive(Expected::unknown_operation()),
                Step::Send(plain()),
                receive(PLAINTEXT_RESPONSE),
            ],
            ClosedBy::Client,
        )
        .exchange("HTTP/1.0", http_10, vec![PLAINTEXT_RESPONSE])
        // RFC 9110 section 10.1.1 permits 417 for unknown expectations, but does not require it.
        .exchange_steps("another expectation", does_not_wait("200-ok"), ClosedBy::Client)
        .exchange_steps(
            "two expectations in one",
            does_not_wait("100-continue, x"),
            ClosedBy::Client,
        )
        .exchange_steps("an empty one", does_not_wait(""), ClosedBy::Client)
        // The service does not send 100 Continue here, and reads the body as if the request had no
        // `Expect`.
        .exchange_steps("another expectation, a body over the limit", over_other, ClosedBy::Service)
        .exchange_steps("HTTP/1.0, a body over the cap", over_http_10, ClosedBy::Service)
}
