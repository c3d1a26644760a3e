//! Signing times in the Date header.

use super::*;

#[test]
fn rejects_request_without_date() {
    let request = Request::new().signed().without("x-amz-date");
    let error = IncompleteSignature::MissingDate;
    assert_eq!(request.authenticate(), incomplete(error.clone()));
    let text =
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    assert_eq!(error.to_string(), text);
}

/// `SignedHeaders` of a request with a Date header instead of X-Amz-Date.
const SIGNED_WITH_DATE: &str = "content-type;date;host;x-amz-target";

/// Returns a request with `date` as its Date header, without X-Amz-Date, signed at [`DATE`].
fn dated(date: &str) -> Request {
    let timestamp = Some(DATE);
    let signer = Signer { timestamp, ..Signer::for_headers(SIGNED_WITH_DATE) };
    Request::new().without("x-amz-date").with("date", date).signed_by(&signer)
}

#[test]
fn accepts_date_header_without_x_amz_date() {
    for date in [
        "Mon, 23 Nov 2026 18:19:00 GMT",
        "Mon, 23 Nov 2026 18:19:00 +0000",
        // botocore uses this format for requests that already have a Date header.
        "Mon, 23 Nov 2026 18:19:00 -0000",
        DATE,
    ] {
        assert_eq!(dated(date).authenticate(), accepted(), "{date}");
    }
}

#[test]
fn applies_the_same_window_to_the_date_header() {
    let other_second = dated("Mon, 23 Nov 2026 18:19:01 GMT");
    assert_eq!(other_second.authenticate(), mismatch());
    let now = moment(DATE).plus_secs(301);
    let (signed_at, earliest) = (moment(DATE), now.minus_secs(300));
    let expired = InvalidSignature::Expired { signed_at, earliest, now };
    let request = dated("Mon, 23 Nov 2026 18:19:00 GMT");
    assert_eq!(request.at(&sigv4(credential()), now), invalid(expired));
    let scope = ScopeDate::Digits(20_261_123);
    let signed_at = moment("20261122T235900Z");
    let other_day = dated("Sun, 22 Nov 2026 23:59:00 GMT").authenticate();
    assert_eq!(other_day, invalid(InvalidSignature::ScopeDate { scope, signed_at }));
}

#[test]
fn rejects_unsigned_or_repeated_date_header() {
    let date = "Mon, 23 Nov 2026 18:19:00 GMT";
    let signer =
        Signer { timestamp: Some(DATE), ..Signer::for_headers("content-type;host;x-amz-target") };
    let request = Request::new().without("x-amz-date").with("date", date);
    assert_eq!(request.signed_by(&signer).authenticate(), not_signed("date"));
    let twice = incomplete(IncompleteSignature::DuplicateHeader { name: "date" });
    assert_eq!(dated(date).with("date", date).authenticate(), twice);
}

#[test]
fn prefers_x_amz_date_to_date() {
    let signer = Signer::for_headers("content-type;date;host;x-amz-date;x-amz-target");
    for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "no date at all"] {
        let request = Request::new().with("date", date);
        assert_eq!(request.clone().signed().authenticate(), accepted(), "{date}, not signed");
        assert_eq!(request.signed_by(&signer).authenticate(), accepted(), "{date}, signed");
    }
}

#[test]
fn rejects_malformed_date_header() {
    for date in ["", "Monday, 23-Nov-26 18:19:00 GMT", "2026-11-23T18:19:00Z", "\u{e9}"] {
        let error = IncompleteSignature::HttpDateFormat;
        assert_eq!(dated(date).authenticate(), incomplete(error.clone()), "{date}");
        let text = "Without X-Amz-Date, Date must be a date and time like \
                    'Tue, 20 Aug 2024 23:01:43 GMT' or '20240820T230143Z'.";
        assert_eq!(error.to_string(), text);
    }
}

/// Checks `get-vanilla` of the first AWS test suite for signatures. Requests of this suite have no X-Amz-Date.
#[test]
fn matches_get_vanilla_of_the_aws_test_suite() {
    let authorization = "AWS4-HMAC-SHA256 \
        Credential=AKIDEXAMPLE/20110909/us-east-1/host/aws4_request, SignedHeaders=date;host, \
        Signature=b27ccfbfa7df52a200ff74193ca6e32d4b48b8856fab7ebf1c595d0670a7e470";
    let date = "Mon, 09 Sep 2011 23:36:00 GMT";
    let request =
        Request { method: "GET", headers: Vec::new(), body: Vec::new(), ..Request::new() }
            .with_all(&[("date", date), ("host", "host.foo.com")]);
    let signer = Signer {
        scope: "20110909/us-east-1/host/aws4_request".to_owned(),
        timestamp: Some("20110909T233600Z"),
        ..Signer::for_headers("date;host")
    };
    assert_eq!(signer.authorization(&request), authorization);
    // The suite signs for another service, so the scope is rejected.
    let sigv4 = SigV4::new("us-east-1", vec![credential()]).unwrap();
    let result =
        request.with("authorization", authorization).at(&sigv4, moment("20110909T233600Z"));
    assert_eq!(result, invalid(InvalidSignature::ScopeService));
}
