//! Signing time, scope, credential and signature.

use super::super::credential::SigningKey;
use super::*;

/// Authenticates at `now` a request that was signed at `date`.
fn signed_at(date: &str, now: UnixMillis) -> Result<String, AuthenticationError> {
    let signer = Signer::for_scope(&scope_of(date));
    let request = Request::new().set("x-amz-date", date).signed_by(&signer);
    request.at(&sigv4(credential()), now)
}

fn scoped(scope: &str) -> Result<String, AuthenticationError> {
    Request::new().signed_by(&Signer::for_scope(scope)).authenticate()
}

#[test]
fn derives_the_documented_aws_signing_key() {
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
    let key = SigningKey::derive(&secret, "20150830", "us-east-1", "iam");
    let expected = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9";
    assert_eq!(const_hex::encode(key.expose()), expected);
}

#[test]
fn rejects_dates_other_than_basic_iso_8601() {
    for date in [
        "",
        "20261123",
        "2026-11-23T18:19:00Z",
        "20261123T181900",
        "20261123T181900z",
        "20261123T181900+0",
        "20261131T181900Z",
        "20261123T241900Z",
        "20261123T181960Z",
        "Mon, 23 Nov 2026 18:19:00 GMT",
        "20261123T18190\u{e9}",
    ] {
        let request = Request::new().set("x-amz-date", date).signed();
        assert_eq!(request.authenticate(), incomplete(IncompleteSignature::DateFormat), "{date}");
    }
}

#[test]
fn rejects_scope_of_another_date() {
    let signed_at = moment(DATE);
    for (date, scope, shown) in [
        ("20261122", ScopeDate::Digits(20_261_122), "20261122"),
        ("00000001", ScopeDate::Digits(1), "00000001"),
        ("2026112", ScopeDate::Other, "?"),
        ("202611233", ScopeDate::Other, "?"),
        ("+2026112", ScopeDate::Other, "?"),
        ("", ScopeDate::Other, "?"),
        ("2026<br>", ScopeDate::Other, "?"),
        ("20261123T181900Z", ScopeDate::Other, "?"),
    ] {
        let error = InvalidSignature::ScopeDate { scope, signed_at };
        assert_eq!(scoped(&format!("{date}/{REGION}/kms/aws4_request")), invalid(error), "{date}");
        let text = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{shown}' != '20261123', from '20261123T181900Z'."
        );
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn rejects_scope_of_another_region() {
    for region in ["us-east-1", "EU-WEST-1", "eu-west-1 ", ""] {
        let result = scoped(&format!("20261123/{region}/kms/aws4_request"));
        assert_eq!(result, invalid(InvalidSignature::ScopeRegion), "{region}");
    }
    let text = "Credential should be scoped to a valid region. ";
    assert_eq!(InvalidSignature::ScopeRegion.to_string(), text);
}

#[test]
fn rejects_scope_of_another_service() {
    for service in ["sts", "KMS", ""] {
        let result = scoped(&format!("20261123/{REGION}/{service}/aws4_request"));
        assert_eq!(result, invalid(InvalidSignature::ScopeService), "{service}");
    }
    let text = "Credential should be scoped to correct service: 'kms'. ";
    assert_eq!(InvalidSignature::ScopeService.to_string(), text);
}

#[test]
fn rejects_scope_with_another_terminator() {
    for terminator in ["aws4", "AWS4_REQUEST", ""] {
        let result = scoped(&format!("20261123/{REGION}/kms/{terminator}"));
        assert_eq!(result, invalid(InvalidSignature::ScopeTerminator), "{terminator}");
    }
    let text = "Credential should be scoped with a valid terminator: 'aws4_request'. ";
    assert_eq!(InvalidSignature::ScopeTerminator.to_string(), text);
}

#[test]
fn rejects_signature_older_than_300_seconds() {
    let (last, first_after) = (UnixMillis::new(1_724_195_203_999), moment("20240820T230644Z"));
    assert_eq!(signed_at("20240820T230143Z", last), accepted());
    let error = InvalidSignature::Expired {
        signed_at: moment("20240820T230143Z"),
        earliest: moment("20240820T230144Z"),
        now: first_after,
    };
    assert_eq!(signed_at("20240820T230143Z", first_after), invalid(error));
}

#[test]
fn rejects_signature_more_than_300_seconds_ahead() {
    let (first, last_before) = (moment("20240820T225643Z"), UnixMillis::new(1_724_194_602_999));
    assert_eq!(signed_at("20240820T230143Z", first), accepted());
    let error = InvalidSignature::NotYetCurrent {
        signed_at: moment("20240820T230143Z"),
        latest: moment("20240820T230142Z"),
        now: moment("20240820T225642Z"),
    };
    assert_eq!(signed_at("20240820T230143Z", last_before), invalid(error));
    assert_eq!(
        error.to_string(),
        "Signature not yet current: 20240820T230143Z is still later than 20240820T230142Z \
         (20240820T225642Z + 5 min.)"
    );
}

#[test]
fn expired_signature_error_matches_the_kms_text() {
    let Err(error) = signed_at("20240820T230143Z", moment("20240820T230802Z")) else { panic!() };
    assert_eq!(
        error.to_string(),
        "Signature expired: 20240820T230143Z is now earlier than 20240820T230302Z \
         (20240820T230802Z - 5 min.)"
    );
}

#[test]
fn window_check_accepts_every_clock_value() {
    for now in [UnixMillis::new(0), UnixMillis::new(u64::MAX)] {
        let Err(AuthenticationError::InvalidSignature(error)) = signed_at(DATE, now) else {
            panic!()
        };
        let expired = matches!(error, InvalidSignature::Expired { .. });
        assert_eq!((expired, error.to_string().is_empty()), (now.as_millis() > 0, false));
    }
    assert_eq!(signed_at("19700101T000000Z", UnixMillis::new(0)), accepted());
}

#[test]
fn rejects_unknown_access_key() {
    let other = Credential { access_key_id: "AKIDOTHER".into(), ..credential() };
    let request = Request::new().signed();
    let result = request.at(&sigv4(other), moment(DATE));
    assert_eq!(result, Err(AuthenticationError::UnknownAccessKey));
    let no_credentials = SigV4::new(REGION, Vec::new()).unwrap();
    assert_eq!(
        request.at(&no_credentials, moment(DATE)),
        Err(AuthenticationError::UnknownAccessKey)
    );
}

#[test]
fn rejects_missing_or_wrong_session_token() {
    let unsigned = Request::new().signed();
    let signer =
        Signer::for_headers("content-type;host;x-amz-date;x-amz-security-token;x-amz-target");
    let with = |token: &str| Request::new().with("x-amz-security-token", token).signed_by(&signer);
    let session_token = Some(Secret::new("tok123".to_owned()));
    let with_token = sigv4(Credential { session_token, ..credential() });
    let without_token = sigv4(credential());
    let mismatch = Err(AuthenticationError::SessionTokenMismatch);
    assert_eq!(with("tok123").at(&with_token, moment(DATE)), accepted());
    assert_eq!(unsigned.at(&with_token, moment(DATE)), mismatch);
    for token in ["", "tok12", "tok124", "TOK123", "tok1234"] {
        assert_eq!(with(token).at(&with_token, moment(DATE)), mismatch, "{token}");
        assert_eq!(with(token).at(&without_token, moment(DATE)), mismatch, "{token}");
    }
}

#[test]
fn signature_covers_method_and_path() {
    let request = Request::new().signed();
    assert_eq!(Request { method: "PUT", ..request.clone() }.authenticate(), mismatch());
    assert_eq!(Request { uri: "/a".to_owned(), ..request }.authenticate(), mismatch());
    for uri in ["/a%20b//../c", "/a+b", "/%E9"] {
        let request = Request { method: "PUT", uri: uri.to_owned(), ..Request::new() };
        assert_eq!(request.signed().authenticate(), accepted(), "{uri}");
    }
}

#[test]
fn rejects_signature_by_another_secret() {
    let signer = Signer { secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ", ..Signer::default() };
    assert_eq!(Request::new().signed_by(&signer).authenticate(), mismatch());
    assert_eq!(
        InvalidSignature::Mismatch.to_string(),
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    );
}

#[test]
fn hashes_the_body_regardless_of_x_amz_content_sha256() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for claimed in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", empty] {
        let request = Request::new().with("x-amz-content-sha256", claimed);
        let signer =
            Signer::for_headers("content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target");
        assert_eq!(request.clone().signed_by(&signer).authenticate(), accepted(), "{claimed}");
        let signer = Signer { body_hash: Some(claimed), ..signer };
        assert_eq!(request.signed_by(&signer).authenticate(), mismatch(), "{claimed}");
    }
}

#[test]
fn reports_expiry_only_after_a_valid_signature() {
    let expires = |millis| {
        let expires = Some(UnixMillis::new(millis));
        sigv4(Credential { expires, ..credential() })
    };
    let (now, request) = (moment(DATE), Request::new().signed());
    assert_eq!(request.at(&expires(now.as_millis() + 1), now), accepted());
    let expired = Err(AuthenticationError::ExpiredToken);
    assert_eq!(request.at(&expires(now.as_millis()), now), expired);
    assert_eq!(request.at(&expires(0), now), expired);
    let signer = Signer { secret: "another", ..Signer::default() };
    assert_eq!(Request::new().signed_by(&signer).at(&expires(0), now), mismatch());
}

#[test]
fn caches_signing_keys_of_two_days() {
    let sigv4 = sigv4(credential());
    let authenticate = |date: &str, secret| {
        let signer = Signer { secret, ..Signer::for_scope(&scope_of(date)) };
        let request = Request::new().set("x-amz-date", date).signed_by(&signer);
        request.at(&sigv4, moment("20261123T235959Z"))
    };
    let days = || sigv4.cached_days(ACCESS_KEY_ID);
    let now = moment("20261123T235959Z");
    let (earliest, signed_at) = (now.minus_secs(300), moment("20261122T000000Z"));
    let expired = InvalidSignature::Expired { signed_at, earliest, now };
    assert_eq!(authenticate("20261122T000000Z", SECRET), invalid(expired));
    assert_eq!(days(), [0; 0]);
    let day = moment(DATE).as_secs() / 86_400;
    for _ in 0..2 {
        assert_eq!(authenticate("20261123T235959Z", SECRET), accepted());
        assert_eq!(authenticate("20261124T000000Z", SECRET), accepted());
        assert_eq!(authenticate("20261124T000000Z", "another"), mismatch());
        assert_eq!(days(), [day + 1, day]);
    }
    let tomorrow = Request::new()
        .set("x-amz-date", "20261125T000000Z")
        .signed_by(&Signer::for_scope(&scope_of("20261125T000000Z")));
    assert_eq!(tomorrow.at(&sigv4, moment("20261125T000000Z")), accepted());
    assert_eq!(days(), [day + 2, day + 1]);
}

#[test]
fn rejects_duplicate_access_key_ids() {
    let other = Credential { access_key_id: "AKIDOTHER".into(), ..credential() };
    let error = SigV4::new(REGION, vec![credential(), other, credential()]).unwrap_err();
    assert_eq!(error, DuplicateAccessKey { first: 1, second: 3 });
    assert_eq!(
        error.to_string(),
        "numbers 1 and 3 have the same access_key_id: remove one of them"
    );
}

#[test]
fn debug_contains_no_secret() {
    let session_token = Some(Secret::new("tok123".to_owned()));
    let sigv4 = sigv4(Credential { session_token, ..credential() });
    let signer =
        Signer::for_headers("content-type;host;x-amz-date;x-amz-security-token;x-amz-target");
    let request = Request::new().with("x-amz-security-token", "tok123").signed_by(&signer);
    assert_eq!(request.at(&sigv4, moment(DATE)), accepted());
    let printed = format!("{sigv4:?}");
    assert!(printed.contains("Secret(..)") && printed.contains("SigningKey(..)"), "{printed}");
    assert!(!printed.contains("wJalr") && !printed.contains("tok123"), "{printed}");
}
