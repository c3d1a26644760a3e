//! Rows E: the list of signed headers, and headers that are signed but sent with another value.

use crate::harness::configuration::{Configuration, SESSION_KEY_ID, SESSION_TOKEN};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::signed_requests::{
    accepts, date_form, draft, followed_by_signed_request, http_date_form, mismatch,
    missing_parameters, no_date, no_list, not_printable, not_signed, rejects, sent_twice,
    unknown_parameter,
};
use crate::harness::sigv4_signer::{DATE, HTTP_DATE, HeaderCase, SigningOptions, UnsignedRequest};

pub(crate) fn rows() -> Vec<Row> {
    vec![missing_headers(), changed_after_signing()]
}

/// Adds a request whose signature covers this list of headers.
fn signed_over_list(row: Row, list: &str, response: Expected) -> Row {
    let bytes = draft().signed_as(&SigningOptions::over_headers(list));
    rejects(row, format!("{list:?}"), bytes, response)
}

fn missing_headers() -> Row {
    let mut row = row("E24", "SignedHeaders without host, a date, an x-amz-* header that is sent")
        .with_configuration(Configuration::signed());
    for (list, name) in [
        ("content-type;x-amz-date;x-amz-target", "host"),
        ("content-type;host;x-amz-target", "x-amz-date"),
        ("content-type;host;x-amz-date", "x-amz-target"),
        // The error names the first missing header.
        ("content-type", "host"),
        ("content-type;x-amz-date", "host"),
        ("content-type;x-amz-target", "host"),
        ("x-amz-date;x-amz-target", "host"),
        ("host", "x-amz-date"),
        ("host;x-amz-target", "x-amz-date"),
        ("host;x-amz-date", "x-amz-target"),
        // Names that resemble a required name.
        ("content-type;hos;x-amz-date;x-amz-target", "host"),
        ("content-type;hosts;x-amz-date;x-amz-target", "host"),
        ("content-type;host;x-amz-dat;x-amz-target", "x-amz-date"),
        ("content-type;host;x-amz-date;x-amz-targets", "x-amz-target"),
        ("content-type;host;x-amz-target;x_amz_date", "x-amz-date"),
        // The name is a valid token. The service must not treat it as a pattern.
        ("*", "host"),
    ] {
        row = signed_over_list(row, list, not_signed(name));
    }
    for list in ["", ";", ";;", "host;", ";host", "content-type;;host", " ", "host x-amz-date"] {
        row = signed_over_list(row, list, no_list());
    }
    let [credential, _, signature] = SigningOptions::default().parameters(&draft());
    let none = format!("AWS4-HMAC-SHA256 {credential}, {signature}");
    row = rejects(row, "no list", draft().authorized(none), missing_parameters(&["SignedHeaders"]));
    not_sent(of_aws(dated(unsigned_type(row))))
}

/// Adds cases in which Content-Type is not signed. The signature of this header is optional,
/// because the service accepts only one media type.
fn unsigned_type(mut row: Row) -> Row {
    let list = SigningOptions::over_headers("host;x-amz-date;x-amz-target");
    row = accepts(row, "Content-Type sent and not signed", draft().signed_as(&list));
    let rejected = || Expected::validation("Content-Type must be application/x-amz-json-1.1");
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/cbor", ""]
    {
        let typed = draft().set("Content-Type", content_type).signed_as(&list);
        row = rejects(row, format!("Content-Type {content_type:?}, not signed"), typed, rejected());
    }
    let untyped = draft().without("Content-Type");
    row =
        rejects(row, "Content-Type neither sent nor signed", untyped.signed_as(&list), rejected());
    let repeated_headers = draft().with("Content-Type", "text/plain").signed_as(&list);
    row = rejects(
        row,
        "Content-Type twice, not signed",
        repeated_headers,
        sent_twice("content-type"),
    );
    rejects(row, "Content-Type signed and not sent", untyped.signed(), mismatch())
}

/// Adds cases with Date instead of X-Amz-Date.
fn dated(mut row: Row) -> Row {
    let without_date = draft().without("X-Amz-Date");
    row = rejects(row, "X-Amz-Date signed and not sent", without_date.signed(), no_date());
    let list = SigningOptions::over_headers("content-type;host;x-amz-target");
    row = rejects(row, "no date", without_date.signed_as(&list), no_date());
    let signing = SigningOptions::over_headers("content-type;date;host;x-amz-target");
    for date in [HTTP_DATE, DATE, "Fri, 15 Jan 2027 08:00:00 -0000"] {
        let sent = without_date.clone().with("Date", date);
        row = accepts(row, format!("Date: {date}"), sent.signed_as(&signing));
        let case = format!("Date: {date}, not signed");
        row = rejects(row, case, sent.signed_as(&list), not_signed("date"));
        let repeated_headers = sent.with("Date", date).signed_as(&signing);
        row = rejects(row, format!("Date: {date}, twice"), repeated_headers, sent_twice("date"));
    }
    for date in ["", "Friday, 15-Jan-27 08:00:00 GMT", "Fri, 15 Jan 2027 08:00:00 +0100"] {
        let sent = without_date.clone().with("Date", date).signed_as(&signing);
        row = rejects(row, format!("Date: {date:?}"), sent, http_date_form());
    }
    let other = without_date.with("Date", "Fri, 15 Jan 2027 08:00:01 GMT");
    row = rejects(row, "Date of another second", other.signed_as(&signing), mismatch());
    let both = draft().with("Date", "Thu, 01 Jan 1970 00:00:00 GMT");
    accepts(row, "Date beside X-Amz-Date, which counts", both.signed())
}

/// Adds cases with x-amz-* headers. A client that sends such a header must sign it.
fn of_aws(mut row: Row) -> Row {
    for name in ["x-amz-meta", "x-amz-content-sha256", "x-amz-user-agent", "x-amz-"] {
        let sent = draft().with(name, "a");
        row = rejects(row, format!("{name} sent, not signed"), sent.signed(), not_signed(name));
        let signed = sent.signed_as(&SigningOptions::default().and(name));
        row = accepts(row, format!("{name} sent and signed"), signed);
    }
    for name in ["x-amzn-trace-id", "x-amz", "amz-sdk-request", "xx-amz-meta"] {
        let sent = draft().with(name, "a");
        row = accepts(row, format!("{name} sent, not signed"), sent.signed());
    }
    let long = format!("x-amz-{}", "a".repeat(1000));
    let sent = draft().with(&long, "a").signed();
    rejects(row, "a long name, not signed", sent, not_signed(&long[..128]))
}

/// Adds cases with headers that are signed but not sent, and cases without a required header.
fn not_sent(mut row: Row) -> Row {
    let default_options = SigningOptions::default;
    for name in ["x-amz-meta", "user-agent", "x-amz-security-token", "date", "a", "zzz"] {
        let bytes = draft().signed_as(&default_options().and(name));
        row = rejects(row, format!("{name} signed and not sent"), bytes, mismatch());
        let dropped = draft().with(name, "a");
        let value = default_options().and(name).authorization(&dropped);
        let case = format!("{name} signed and dropped");
        row = rejects(row, case, draft().authorized(value), mismatch());
    }
    row = rejects(
        row,
        "authorization signed",
        draft().signed_as(&default_options().and("authorization")),
        mismatch(),
    );
    let without_target = draft().without("X-Amz-Target");
    row = rejects(row, "X-Amz-Target signed and not sent", without_target.signed(), mismatch());
    let list = SigningOptions::over_headers("content-type;host;x-amz-date");
    row = rejects(
        row,
        "X-Amz-Target neither signed nor sent",
        without_target.signed_as(&list),
        Expected::unknown_target(""),
    );

    // Only HTTP/1.0 permits requests without Host. The connection ends with the response.
    let without_host = draft().without("Host").line("POST / HTTP/1.0");
    let list = SigningOptions::over_headers("content-type;x-amz-date;x-amz-target");
    row = row
        .exchange_until_closed(
            "HTTP/1.0: Host signed and not sent",
            followed_by_signed_request(without_host.signed()),
            vec![mismatch()],
        )
        .exchange_until_closed(
            "HTTP/1.0: Host neither",
            followed_by_signed_request(without_host.signed_as(&list)),
            vec![not_signed("host")],
        );

    // Further headers may be signed.
    let more = draft().with("User-Agent", "tests").with("Content-Length", "20");
    row = accepts(
        row,
        "more headers than required",
        more.signed_as(&default_options().and("content-length").and("user-agent")),
    );
    row = accepts(row, "fewer headers than sent", more.signed());
    let session = draft().with("X-Amz-Security-Token", SESSION_TOKEN);
    let by_session = SigningOptions::by(SESSION_KEY_ID);
    row = rejects(
        row,
        "a session token, not signed",
        session.signed_as(&by_session),
        not_signed("x-amz-security-token"),
    );
    accepts(
        row,
        "a session token, signed",
        session.signed_as(&by_session.and("x-amz-security-token")),
    )
}

fn changed_after_signing() -> Row {
    let row = row("E25", "a signed header sent twice, other order, white space or case")
        .with_configuration(Configuration::signed());
    header_forms(values(lists(repeated_headers(row))))
}

const METADATA_HEADER: &str = "X-Amz-Meta";

fn repeated_headers(mut row: Row) -> Row {
    let signing = SigningOptions::default().and("x-amz-meta");
    let signed_over = |sent: &UnsignedRequest, signed: &UnsignedRequest| {
        sent.authorized(signing.authorization(signed))
    };
    let two = draft().with(METADATA_HEADER, "a").with(METADATA_HEADER, "b");
    let one = |value: &str| draft().with(METADATA_HEADER, value);
    row = accepts(row, "another header twice", two.signed_as(&signing));
    row = rejects(row, "another header twice, not signed", two.signed(), not_signed("x-amz-meta"));
    row = accepts(row, "twice, signed as one with a comma", signed_over(&two, &one("a,b")));
    row = accepts(row, "one with a comma, signed as two", signed_over(&one("a,b"), &two));
    row = accepts(row, "one with a comma and a space", one("a, b").signed_as(&signing));
    row = accepts(
        row,
        "twice, in other case",
        draft().with("X-AMZ-META", "a").with("x-amz-meta", "b").signed_as(&signing),
    );
    let three = two.clone().with(METADATA_HEADER, "c");
    for (case, sent, signed) in [
        (
            "twice, signed in the other order",
            &two,
            &draft().with(METADATA_HEADER, "b").with(METADATA_HEADER, "a"),
        ),
        ("twice, the first signed", &two, &one("a")),
        ("twice, the last signed", &two, &one("b")),
        ("twice, signed with a space after the comma", &two, &one("a, b")),
        ("once, signed twice", &one("a"), &two),
        ("twice, signed three times", &two, &three),
        ("three times, signed twice", &three, &two),
        (
            "identical, one signed",
            &draft().with(METADATA_HEADER, "a").with(METADATA_HEADER, "a"),
            &one("a"),
        ),
        ("an additional empty one", &one("a").with(METADATA_HEADER, ""), &one("a")),
    ] {
        row = rejects(row, case, signed_over(sent, signed), mismatch());
    }
    for (name, lower, value) in [
        ("X-Amz-Date", "x-amz-date", DATE),
        ("X-Amz-Target", "x-amz-target", "TrentService.GenerateRandom"),
        ("Content-Type", "content-type", "application/x-amz-json-1.1"),
        ("X-Amz-Security-Token", "x-amz-security-token", "token"),
        ("X-Amz-Content-Sha256", "x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ] {
        let once = draft().set(name, value);
        let signing = match SigningOptions::default() {
            signing if signing.signed_headers.split(';').any(|known| known == lower) => signing,
            signing => signing.and(lower),
        };
        for (how, second) in [("identical", value), ("differing", "x"), ("an empty one", "")] {
            let repeated_headers = once.clone().with(name, second);
            row = rejects(
                row,
                format!("{name}, {how}"),
                repeated_headers.signed_as(&signing),
                sent_twice(lower),
            );
            let value = signing.authorization(&once);
            let case = format!("{name}, {how}, signed as once");
            row = rejects(row, case, repeated_headers.authorized(value), sent_twice(lower));
        }
        let both_cases = once.clone().with(&name.to_uppercase(), value);
        row = rejects(
            row,
            format!("{name}, in other case"),
            both_cases.signed_as(&signing),
            sent_twice(lower),
        );
    }
    // HTTP forbids such a request, regardless of the signature.
    let message = "a request must have exactly one Host header";
    for host in ["localhost", "other", ""] {
        let bytes = draft().with("Host", host).signed();
        let expected = vec![Expected::validation(message).and_close()];
        row = row.exchange(format!("Host, {host:?}"), bytes, expected);
    }
    row
}

fn lists(mut row: Row) -> Row {
    for list in [
        "x-amz-target;x-amz-date;host;content-type",
        "host;content-type;x-amz-date;x-amz-target",
        "content-type;host;x-amz-target;x-amz-date",
        "content-type;content-type;host;x-amz-date;x-amz-target",
        "content-type;host;host;x-amz-date;x-amz-target",
        "content-type;host;x-amz-date;x-amz-target;x-amz-target",
        "content-type;host;x-amz-date;x-amz-target;host",
        "Content-Type;Host;X-Amz-Date;X-Amz-Target",
        "content-type;host;X-Amz-Date;x-amz-target",
        "CONTENT-TYPE;HOST;X-AMZ-DATE;X-AMZ-TARGET",
        "content-type; host; x-amz-date; x-amz-target",
        "content-type;host ;x-amz-date;x-amz-target",
        "content-type:host:x-amz-date:x-amz-target",
        "content-type host x-amz-date x-amz-target",
        "\"content-type;host;x-amz-date;x-amz-target\"",
        "content-type;h\u{f6}st;x-amz-date;x-amz-target",
    ] {
        let expected = if list.is_ascii() { no_list() } else { not_printable() };
        row = signed_over_list(row, list, expected);
    }
    row = signed_over_list(row, "content-type,host,x-amz-date,x-amz-target", unknown_parameter());
    // The signature is valid for the sorted list. The list in the header was reordered after
    // signing.
    let authorization = SigningOptions::default().authorization(&draft());
    let swapped = authorization.replace("content-type;host", "host;content-type");
    rejects(row, "another order than signed", draft().authorized(swapped), no_list())
}

fn values(mut row: Row) -> Row {
    let signing = SigningOptions::default().and("x-amz-meta");
    for value in [
        "a b",
        "a   b",
        "a \t b",
        " a b\t",
        "\ta",
        "",
        " ",
        "\"a   b\"",
        "a  ,  b",
        "\u{e9}  \u{9b}",
    ] {
        let bytes = draft().with_raw(METADATA_HEADER, value).signed_as(&signing);
        row = accepts(row, format!("{METADATA_HEADER}:{value:?}"), bytes);
    }
    for (sent, signed) in
        [("a  b", "ab"), ("ab", "a b"), ("a\u{a0}b", "a b"), ("A", "a"), ("a", "")]
    {
        let value = signing.authorization(&draft().with(METADATA_HEADER, signed));
        let bytes = draft().with(METADATA_HEADER, sent).authorized(value);
        row = rejects(
            row,
            format!("{METADATA_HEADER}: {sent:?}, signed {signed:?}"),
            bytes,
            mismatch(),
        );
    }
    for white in ["", "  ", "\t", " \t \t ", "                                "] {
        let mut spaced = draft();
        for (name, value) in [
            ("Host", "localhost"),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", "TrentService.GenerateRandom"),
            ("X-Amz-Date", DATE),
        ] {
            spaced = spaced.without(name).with_raw(name, format!("{white}{value}{white}"));
        }
        row = accepts(row, format!("{white:?} around every value"), spaced.signed());
    }
    for value in ["20270115 T080000Z", "20270115T080000 Z"] {
        row = rejects(
            row,
            format!("{value:?}"),
            draft().set("X-Amz-Date", value).signed(),
            date_form(),
        );
    }
    row
}

fn header_forms(mut row: Row) -> Row {
    for first in 0..4 {
        for second in (0..4).filter(|index| *index != first) {
            for third in (0..4).filter(|index| ![first, second].contains(index)) {
                let order = [first, second, third, 6 - first - second - third];
                let bytes = draft().ordered(&order).signed();
                row = accepts(row, format!("fields in the order {order:?}"), bytes);
            }
        }
    }
    let alternating = |name: &str| {
        let letters = name.chars().enumerate();
        letters
            .map(|(index, letter)| {
                if index % 2 == 0 {
                    letter.to_ascii_uppercase()
                } else {
                    letter.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let header_cases: [(&str, HeaderCase); 3] =
        [("lower", str::to_lowercase), ("upper", str::to_uppercase), ("mixed", alternating)];
    for (case, header_case) in header_cases {
        row = accepts(row, format!("names in {case} case"), draft().named(header_case).signed());
    }
    for (name, sent) in [
        ("Host", "LOCALHOST"),
        ("Host", "localhost:80"),
        ("Host", "localhost."),
        ("Content-Type", "Application/X-Amz-Json-1.1"),
        ("Content-Type", "application/x-amz-json-1.1; charset=utf-8"),
        ("X-Amz-Target", "trentservice.GenerateRandom"),
    ] {
        let bytes = draft().set(name, sent).signed_over(&draft());
        row = rejects(row, format!("{name}: {sent}, signed otherwise"), bytes, mismatch());
    }
    row
}
