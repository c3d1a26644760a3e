//! Rows E: HTTP framing. hyper itself rejects many of these requests, with a response that has no
//! JSON body.

use crate::harness::requests::{
    BAD_REQUEST, BODY, BODY_LENGTH, HEAD_TOO_LARGE, JSON, PLAINTEXT_RESPONSE, SEALED_RESPONSE,
    TARGET, attested_body, empty_body, followed_by_plain_request, plain, request,
    transfer_encoding, with_framing,
};
use crate::harness::row::{Row, row};
use crate::harness::service::{ClosedBy, Step};

const MAX_HEAD: usize = 16 * 1024;
const CHUNKED: &str = "Transfer-Encoding: chunked";
const CHUNKS: &str = "14\r\n{\"NumberOfBytes\":32}\r\n0\r\n\r\n";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        transfer_encodings(),
        content_lengths(),
        odd_transfer_encodings(),
        chunks(),
        malformed_heads(),
        large_heads(),
    ]
}

fn transfer_encodings() -> Row {
    let body = attested_body();
    let attested_chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let rejected = || vec![transfer_encoding()];
    let health = request("GET /healthz HTTP/1.1", &[CHUNKED], "0\r\n\r\n");
    let waiting_request = with_framing(&[CHUNKED, "Expect: 100-continue"], "");
    row("E01", "any Transfer-Encoding: 400, closed")
        .exchange(
            "well formed",
            followed_by_plain_request(with_framing(&[CHUNKED], CHUNKS)),
            rejected(),
        )
        .exchange(
            "with a Recipient",
            followed_by_plain_request(with_framing(&[CHUNKED], attested_chunks)),
            rejected(),
        )
        .exchange(
            "no body",
            followed_by_plain_request(with_framing(&[CHUNKED], "0\r\n\r\n")),
            rejected(),
        )
        .exchange("with trailers", with_framing(&[CHUNKED], "0\r\nX: y\r\n\r\n"), rejected())
        .exchange("Content-Length first", with_framing(&[BODY_LENGTH, CHUNKED], BODY), rejected())
        .exchange("Content-Length last", with_framing(&[CHUNKED, BODY_LENGTH], CHUNKS), rejected())
        .exchange(
            "Content-Length of another request's end",
            with_framing(&["Content-Length: 5", CHUNKED], [b"0\r\n\r\n", &plain()[..]].concat()),
            rejected(),
        )
        .exchange("health check", followed_by_plain_request(health), rejected())
        .exchange_until_closed(
            "client stays connected",
            with_framing(&[CHUNKED], CHUNKS),
            rejected(),
        )
        .exchange_until_closed("body is never sent", with_framing(&[CHUNKED], ""), rejected())
        .exchange_until_closed("client waits for 100 Continue", waiting_request, rejected())
}

fn content_lengths() -> Row {
    let one = |field: &str| with_framing(&[field], BODY);
    let two = |first: &str, second: &str| with_framing(&[first, second], BODY);
    let attested_body = attested_body();
    let attested_length = format!("Content-Length: {}", attested_body.len());
    let attested_twice = with_framing(&[&attested_length, &attested_length], attested_body);
    let mut row = row("E02", "differing Content-Lengths: 400; identical ones count once")
        .exchange("identical", two(BODY_LENGTH, BODY_LENGTH), vec![PLAINTEXT_RESPONSE])
        .exchange("identical, with a Recipient", attested_twice, vec![SEALED_RESPONSE])
        .exchange(
            "identical in value",
            two(BODY_LENGTH, "content-length:020"),
            vec![PLAINTEXT_RESPONSE],
        )
        .exchange("white space around", one("Content-Length: \t20 \t"), vec![PLAINTEXT_RESPONSE])
        .exchange_until_closed(
            "client stays connected",
            two(BODY_LENGTH, "Content-Length: 0"),
            vec![BAD_REQUEST],
        );
    for other in ["0", "19", "21", "20, 20", "", "x", "18446744073709551616"] {
        let other = format!("Content-Length: {other}");
        row = row
            .exchange(
                format!("20, then {other}"),
                followed_by_plain_request(two(BODY_LENGTH, &other)),
                vec![BAD_REQUEST],
            )
            .exchange(
                format!("{other}, then 20"),
                followed_by_plain_request(two(&other, BODY_LENGTH)),
                vec![BAD_REQUEST],
            );
    }
    // The receiver may merge a list of identical values, or reject the request (RFC 9112 section
    // 6.3). hyper rejects the request.
    for value in
        ["20, 20", "20,19", "+20", "-20", "0x14", "2 0", "20.0", "1e2", "20;", "\"20\"", ""]
    {
        let field = format!("Content-Length: {value}");
        row =
            row.exchange(field.clone(), followed_by_plain_request(one(&field)), vec![BAD_REQUEST]);
    }
    row
}

fn odd_transfer_encodings() -> Row {
    let mut row = row("E03", "odd Transfer-Encodings: 400, closed")
        .exchange(
            "HTTP/1.0",
            followed_by_plain_request(request("POST / HTTP/1.0", &[JSON, TARGET, CHUNKED], CHUNKS)),
            vec![BAD_REQUEST],
        )
        // `Transfer_Encoding` is another field name, so the request has no body. The chunks start
        // the next request.
        .exchange(
            "Transfer_Encoding",
            followed_by_plain_request(with_framing(&["Transfer_Encoding: chunked"], CHUNKS)),
            vec![empty_body(), BAD_REQUEST],
        )
        .exchange(
            "Transfer_Encoding beside a length",
            with_framing(&["Transfer_Encoding: chunked", BODY_LENGTH], BODY),
            vec![PLAINTEXT_RESPONSE],
        );
    // If `chunked` is the last coding, hyper accepts the request and the service rejects it.
    for fields in [
        &["Transfer-Encoding: Chunked"][..],
        &["transfer-encoding:chunked"],
        &["Transfer-Encoding: \tchunked\t"],
        &["Transfer-Encoding: chunked, chunked"],
        &["Transfer-Encoding: gzip, chunked"],
        &["Transfer-Encoding: identity, chunked"],
        &["Transfer-Encoding: ,chunked"],
        &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ] {
        let case = fields.join(", then ");
        row = row.exchange(
            case,
            followed_by_plain_request(with_framing(fields, CHUNKS)),
            vec![transfer_encoding()],
        );
    }
    for fields in [
        &["Transfer-Encoding:"][..],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding: gzip"],
        &["Transfer-Encoding: xchunked"],
        &["Transfer-Encoding: chunkedx"],
        &["Transfer-Encoding: \"chunked\""],
        &["Transfer-Encoding: chunked;q=1"],
        &["Transfer-Encoding: chunked, identity"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        &["Transfer-Encoding: identity", BODY_LENGTH],
        &["Transfer-Encoding : chunked"],
        &["Transfer-Encoding\t: chunked"],
        &["Transfer-Encoding: chun\r\n ked"],
        &["Transfer-Encoding: chunked\0"],
    ] {
        let case = fields.join(", then ");
        row = row.exchange(
            case,
            followed_by_plain_request(with_framing(fields, CHUNKS)),
            vec![BAD_REQUEST],
        );
    }
    row
}

fn chunks() -> Row {
    let extension = format!("14;{}\r\n{BODY}\r\n0\r\n\r\n", "x".repeat(1024 * 1024));
    let mut row = row("E04", "chunk extensions of 1 MiB, invalid and overflowing sizes: not read")
        .exchange(
            "extensions of 1 MiB",
            with_framing(&[CHUNKED], extension),
            vec![transfer_encoding()],
        )
        .exchange(
            "10,000 chunks with an extension",
            with_framing(&[CHUNKED], "1;a=b\r\n \r\n".repeat(10_000)),
            vec![transfer_encoding()],
        )
        .exchange(
            "trailers of 1 MiB",
            with_framing(&[CHUNKED], format!("0\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024))),
            vec![transfer_encoding()],
        );
    for size in
        ["zz", "", "-1", "0x14", " 14", "14 ", "14\n", "fffffffffffffffe", "10000000000000000"]
    {
        let body = format!("{size}\r\n{BODY}\r\n0\r\n\r\n");
        let bytes = followed_by_plain_request(with_framing(&[CHUNKED], body));
        row = row.exchange(format!("a size of {size:?}"), bytes, vec![transfer_encoding()]);
    }
    row
}

fn malformed_heads() -> Row {
    // hyper accepts a bare line feed as a line end, as RFC 9112 section 2.2 permits. No proxy
    // in front of the service parses requests, so no proxy can interpret the line feed differently.
    let line_feeds = format!("POST / HTTP/1.1\nHost: h\n{JSON}\n{TARGET}\n{BODY_LENGTH}\n\n{BODY}");
    let mut row = row("E05", "folding, space before the colon, NUL in a value: 400")
        .exchange("a line feed alone ends a line", line_feeds, vec![PLAINTEXT_RESPONSE])
        .exchange(
            "high bytes in an unused value",
            with_framing(&[BODY_LENGTH, "User-Agent: \u{e9}"], BODY),
            vec![PLAINTEXT_RESPONSE],
        )
        .exchange(
            "empty lines before the request line",
            [b"\r\n\r\n", &plain()[..]].concat(),
            vec![PLAINTEXT_RESPONSE],
        );
    for field in [
        "X-A: a\r\n b",
        "X-A: a\r\n\tb",
        "X-A:\r\n a",
        "X-A : a",
        "X-A\t: a",
        " X-A: a",
        "X A: a",
        "X-A",
        ": a",
        "X-A\u{e9}: a",
        "X(A): a",
        "X-\0A: a",
        "X-A: \0",
        "X-A: a\rb",
        "X-A: \u{1}",
        "X-A: \u{7f}",
    ] {
        let bytes = followed_by_plain_request(with_framing(&[field, BODY_LENGTH], BODY));
        row = row.exchange(format!("{field:?}"), bytes, vec![BAD_REQUEST]);
    }
    for line in [
        "POST  / HTTP/1.1",
        "POST /",
        "POST / HTTP/1.1 ",
        "POST / http/1.1",
        "POST / HTTP/1",
        "POST / HTTP/1.2",
        "POST / HTTP/2.0",
        "POST /\0 HTTP/1.1",
        "P(ST / HTTP/1.1",
        " POST / HTTP/1.1",
        "POST http:// HTTP/1.1",
    ] {
        let bytes = followed_by_plain_request(request(line, &[JSON, TARGET, BODY_LENGTH], BODY));
        row = row.exchange(format!("{line:?}"), bytes, vec![BAD_REQUEST]);
    }
    row.exchange_until_closed(
        "client stays connected",
        with_framing(&["X-A : a", BODY_LENGTH], BODY),
        vec![BAD_REQUEST],
    )
}

fn large_heads() -> Row {
    // The number of headers in addition to Host, Content-Type, X-Amz-Target and Content-Length.
    let fields = |count: usize| {
        let fields: Vec<String> = (4..count).map(|number| format!("X-{number}: x")).collect();
        with_framing(&[BODY_LENGTH, &fields.join("\r\n")], BODY)
    };
    let padded = |length: usize| {
        let empty = with_framing(&[BODY_LENGTH, "X-A: "], "").len();
        let padding = "x".repeat(length - empty);
        with_framing(&[BODY_LENGTH, &format!("X-A: {padding}")], BODY)
    };
    let many = vec![format!("X-A: {}", "x".repeat(1000)); 64].join("\r\n");
    let endless = [b"POST / HTTP/1.1\r\nX-A: ", &[b'x'; 64 * 1024][..]].concat();
    let long_path = format!("POST /{} HTTP/1.1", "x".repeat(64 * 1024));
    let rejected = || vec![HEAD_TOO_LARGE];
    row("E06", "101 headers, 64 KiB of headers: 431")
        .exchange("100 headers", fields(100), vec![PLAINTEXT_RESPONSE])
        .exchange("101 headers", followed_by_plain_request(fields(101)), rejected())
        .exchange("16 KiB", padded(MAX_HEAD), vec![PLAINTEXT_RESPONSE])
        .exchange("16 KiB and 1 byte", followed_by_plain_request(padded(MAX_HEAD + 1)), rejected())
        .exchange(
            "64 KiB in one header",
            followed_by_plain_request(padded(4 * MAX_HEAD)),
            rejected(),
        )
        .exchange(
            "64 KiB in 64 headers",
            followed_by_plain_request(with_framing(&[BODY_LENGTH, &many], BODY)),
            rejected(),
        )
        .exchange_until_closed("64 KiB without an end", endless, rejected())
        // hyper checks the length of the head before the length of the request target, so it never
        // returns 414.
        .exchange(
            "64 KiB of path",
            followed_by_plain_request(request(&long_path, &[JSON, TARGET], "")),
            rejected(),
        )
        .exchange_steps(
            "an incomplete head",
            vec![Step::Send(b"POST / HTTP/1.1\r\nX-A: a".to_vec())],
            ClosedBy::Deadline,
        )
}
