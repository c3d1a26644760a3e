//! The Authorization header and the signed headers.

use super::*;

pub(super) const SIGNATURE: &str =
    "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9";

/// Authenticates a request with this Authorization header.
fn with_authorization(value: impl AsRef<[u8]>) -> Result<String, AuthenticationError> {
    Request::new().with("authorization", value).authenticate()
}

pub(super) fn parameters(credential: &str, signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed_headers}, \
         Signature={signature}"
    )
}

pub(super) fn scoped(access_key_id: &str) -> String {
    format!("{access_key_id}/20261123/eu-west-1/kms/aws4_request")
}

#[test]
fn rejects_request_without_authorization_header() {
    assert_eq!(Request::new().authenticate(), Err(AuthenticationError::MissingAuthenticationToken));
}

#[test]
fn rejects_two_authorization_headers() {
    let request = Request::new().signed();
    let authorization = request.value("authorization");
    assert_eq!(
        request.with("authorization", authorization).authenticate(),
        incomplete(IncompleteSignature::MultipleAuthorizationHeaders)
    );
}

#[test]
fn rejects_any_query_string() {
    for uri in ["/?", "/?a", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"] {
        let request = Request { uri: uri.to_owned(), ..Request::new() };
        let expected = incomplete(IncompleteSignature::QueryString);
        assert_eq!(request.authenticate(), expected, "unsigned {uri}");
        assert_eq!(request.signed().authenticate(), expected, "{uri}");
    }
}

#[test]
fn accepts_parameters_in_any_order_and_spacing() {
    let request = Request::new().signed();
    let authorization = request.value("authorization");
    let (_, parameters) = authorization.split_once(' ').unwrap();
    let [a, b, c] = *parameters.split(", ").collect::<Vec<_>>() else { panic!() };
    for parameters in [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
        for separator in [", ", ",", " , ", ",\t "] {
            let value = format!("AWS4-HMAC-SHA256 {}", parameters.join(separator));
            assert_eq!(request.clone().set("authorization", value).authenticate(), accepted());
        }
    }
}

#[test]
fn rejects_other_algorithms() {
    let signed = Request::new().signed().value("authorization");
    for algorithm in ["AWS4-HMAC-SHA1", "aws4-hmac-sha256", "AWS4-ECDSA-P256-SHA256", "Bearer", ""]
    {
        let value = signed.replacen("AWS4-HMAC-SHA256", algorithm, 1);
        let expected = incomplete(IncompleteSignature::Algorithm);
        assert_eq!(with_authorization(value), expected, "{algorithm}");
    }
    assert_eq!(with_authorization(""), incomplete(IncompleteSignature::Algorithm));
}

#[test]
fn names_missing_parameters_in_the_aws_wording() {
    let (key, signed, signature) =
        (format!("Credential={}", scoped("A")), "SignedHeaders=host", "Signature=00");
    for (parameters, credential, signature, signed_headers, text) in [
        (format!("{signed},{signature}"), true, false, false, "'Credential'"),
        (format!("{key},{signed}"), false, true, false, "'Signature'"),
        (format!("{key},{signature}"), false, false, true, "'SignedHeaders'"),
    ] {
        let error =
            IncompleteSignature::MissingParameters { credential, signature, signed_headers };
        let result = with_authorization(format!("AWS4-HMAC-SHA256 {parameters}"));
        assert_eq!(result, incomplete(error.clone()));
        let text = format!("Authorization header requires {text} parameter. ");
        assert_eq!(error.to_string(), text);
    }
    let all = IncompleteSignature::MissingParameters {
        credential: true,
        signature: true,
        signed_headers: true,
    };
    for value in ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256   "] {
        assert_eq!(with_authorization(value), incomplete(all.clone()), "{value:?}");
    }
    assert_eq!(
        all.to_string(),
        "Authorization header requires 'Credential' parameter. \
         Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. "
    );
}

#[test]
fn rejects_repeated_parameter() {
    let signed = Request::new().signed().value("authorization");
    for (parameter, more) in [
        (Parameter::Credential, "Credential=a"),
        (Parameter::SignedHeaders, "SignedHeaders=host"),
        (Parameter::Signature, "Signature=00"),
    ] {
        let expected = incomplete(IncompleteSignature::DuplicateParameter(parameter));
        assert_eq!(with_authorization(format!("{signed}, {more}")), expected);
    }
}

#[test]
fn rejects_unknown_parameters() {
    let signed = Request::new().signed().value("authorization");
    for more in
        [",", ", Region=eu-west-1", ", signature=00", ", Signature", " ,,", ", =", ", Date ="]
    {
        let expected = incomplete(IncompleteSignature::UnknownParameter);
        assert_eq!(with_authorization(format!("{signed}{more}")), expected, "{more}");
    }
}

#[test]
fn rejects_credential_without_five_elements() {
    for credential in ["", "A", "A/20261123/eu-west-1/kms", &(scoped("A") + "/"), &scoped("A/B")] {
        let value = parameters(credential, SIGNED, SIGNATURE);
        let expected = incomplete(IncompleteSignature::Credential);
        assert_eq!(with_authorization(value), expected, "{credential}");
    }
}

#[test]
fn rejects_malformed_access_key_ids() {
    for id in ["", "AKID EXAMPLE", "AKID-EXAMPLE", "AKID\tEXAMPLE", "AKID%0A", &"A".repeat(129)] {
        let value = parameters(&scoped(id), SIGNED, SIGNATURE);
        assert_eq!(with_authorization(value), incomplete(IncompleteSignature::AccessKeyId), "{id}");
    }
    for id in ["any", "a_0", &"A".repeat(128)] {
        let value = parameters(&scoped(id), SIGNED, SIGNATURE);
        assert_eq!(with_authorization(value), Err(AuthenticationError::UnknownAccessKey), "{id}");
    }
}

#[test]
fn rejects_long_or_non_ascii_authorization_header() {
    let longest = |padding: usize| parameters(&scoped("A"), SIGNED, &"0".repeat(padding));
    let padding = 4096 - longest(0).len();
    assert_eq!(with_authorization(longest(padding)), incomplete(IncompleteSignature::Signature));
    for value in [
        longest(padding + 1).into_bytes(),
        parameters(&scoped(&"A".repeat(10_000)), SIGNED, SIGNATURE).into_bytes(),
        parameters(&scoped("\u{e9}"), SIGNED, SIGNATURE).into_bytes(),
        b"AWS4-HMAC-SHA256 \xff".to_vec(),
    ] {
        assert_eq!(with_authorization(value), incomplete(IncompleteSignature::HeaderText));
    }
}

#[test]
fn rejects_unsorted_or_repeated_signed_headers() {
    for signed in [
        "",
        "Host",
        "host;",
        ";host",
        "host;;x-amz-date",
        "content-type;Host;x-amz-date;x-amz-target",
        "host;content-type;x-amz-date;x-amz-target",
        "content-type;host;host;x-amz-date;x-amz-target",
        "content-type; host;x-amz-date;x-amz-target",
        "content-type;host:;x-amz-date;x-amz-target",
        "content-type:host:x-amz-date:x-amz-target",
    ] {
        let value = parameters(&scoped(ACCESS_KEY_ID), signed, SIGNATURE);
        let expected = incomplete(IncompleteSignature::SignedHeaders);
        assert_eq!(with_authorization(value), expected, "{signed}");
    }
}

#[test]
fn rejects_malformed_signatures() {
    for signature in [
        "",
        "00",
        SIGNATURE.split_at(1).1,
        &format!("{SIGNATURE}0"),
        &format!("0x{SIGNATURE}"),
        &format!("0x{}", SIGNATURE.split_at(2).1),
        &SIGNATURE.to_uppercase(),
        &SIGNATURE.replace('c', "g"),
        &SIGNATURE.replacen('c', " ", 1),
    ] {
        let value = parameters(&scoped(ACCESS_KEY_ID), SIGNED, signature);
        let expected = incomplete(IncompleteSignature::Signature);
        assert_eq!(with_authorization(value), expected, "{signature}");
    }
}

#[test]
fn rejects_unsigned_host_date_or_target() {
    for name in ["host", "x-amz-date", "x-amz-target"] {
        let rest: Vec<_> = SIGNED.split(';').filter(|signed| *signed != name).collect();
        let request = Request::new().signed_by(&Signer::for_headers(&rest.join(";")));
        assert_eq!(request.authenticate(), not_signed(name));
    }
}

#[test]
fn rejects_unsigned_x_amz_headers() {
    for name in ["x-amz-meta", "x-amz-security-token", "x-amz-content-sha256", "x-amz-a", "x-amz-"]
    {
        let request = Request::new().with(name, "a");
        assert_eq!(request.clone().signed().authenticate(), not_signed(name));
        let mut signed: Vec<_> = SIGNED.split(';').chain([name]).collect();
        signed.sort_unstable();
        let result = request.signed_by(&Signer::for_headers(&signed.join(";"))).authenticate();
        match name {
            // The header is signed, but the credential has no session token.
            "x-amz-security-token" => {
                assert_eq!(result, Err(AuthenticationError::SessionTokenMismatch));
            }
            _ => assert_eq!(result, accepted(), "{name}"),
        }
    }
}

#[test]
fn accepts_other_headers_unsigned() {
    // Load balancers add x-amzn-trace-id, which SDKs do not sign.
    for name in ["x-amzn-trace-id", "x-am", "x-amz", "xx-amz-meta", "date", "amz-sdk-request"] {
        assert_eq!(Request::new().with(name, "a").signed().authenticate(), accepted(), "{name}");
    }
}

#[test]
fn error_repeats_at_most_128_bytes_of_a_header_name() {
    let name = format!("x-amz-{}", "a".repeat(1000));
    let Err(error) = Request::new().with(&name, "a").signed().authenticate() else { panic!() };
    let (named, _) = name.split_at(128);
    let text = format!("'{named}' must be a 'SignedHeader' in the AWS Authorization.");
    assert_eq!(error.to_string(), text);
}

#[test]
fn accepts_unsigned_content_type() {
    let signer = Signer::for_headers("host;x-amz-date;x-amz-target");
    let request = Request::new().signed_by(&signer);
    assert_eq!(request.authenticate(), accepted());
    // The media type is checked after authentication.
    assert_eq!(request.clone().set("content-type", "text/plain").authenticate(), accepted());
    assert_eq!(request.without("content-type").authenticate(), accepted());
}

#[test]
fn rejects_changed_signed_content_type() {
    let request = Request::new().signed();
    assert_eq!(request.clone().set("content-type", "text/plain").authenticate(), mismatch());
    assert_eq!(request.without("content-type").authenticate(), mismatch());
}

#[test]
fn rejects_repeated_security_relevant_headers() {
    for name in [
        "host",
        "x-amz-date",
        "x-amz-target",
        "content-type",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ] {
        let request = Request::new().set(name, DATE).with(name, DATE);
        let error = IncompleteSignature::DuplicateHeader { name };
        assert_eq!(request.signed().authenticate(), incomplete(error.clone()));
        assert_eq!(error.to_string(), format!("The header '{name}' must be sent only once."));
    }
}

#[test]
fn rejects_missing_signed_header() {
    let signer = Signer::for_headers("content-type;host;x-amz-date;x-amz-target;x-empty");
    assert_eq!(Request::new().signed_by(&signer).authenticate(), mismatch());
    assert_eq!(Request::new().with("x-empty", "").signed_by(&signer).authenticate(), accepted());
}

#[test]
fn joins_repeated_signed_headers_in_order() {
    let signer = Signer::for_headers("content-type;host;x-amz-date;x-amz-target;x-twice");
    let request = Request::new().with("x-twice", "b").with("X-Twice", "a").signed_by(&signer);
    assert_eq!(request.authenticate(), accepted());
    let swapped = request.clone().without("x-twice").with("x-twice", "a").with("x-twice", "b");
    assert_eq!(swapped.authenticate(), mismatch());
    // AWS joins repeated headers with a comma.
    assert_eq!(request.set("x-twice", "b,a").authenticate(), accepted());
}

#[test]
fn trims_and_collapses_spaces_in_signed_values() {
    let signer = Signer::for_headers("content-type;host;x-amz-date;x-amz-target;x-spaced");
    let request = Request::new().with("x-spaced", "a b\tc").signed_by(&signer);
    for value in ["a b c", "  a \t b   c\t", "\ta\tb\tc"] {
        assert_eq!(request.clone().set("x-spaced", value).authenticate(), accepted(), "{value:?}");
    }
    for value in ["ab c", "a b c.", "A b c", "\"a b c\""] {
        assert_eq!(request.clone().set("x-spaced", value).authenticate(), mismatch(), "{value:?}");
    }
}

#[test]
fn accepts_any_bytes_in_signed_values() {
    let signer = Signer::for_headers("content-type;host;x-amz-date;x-amz-target;x-raw");
    let request = Request::new().with("x-raw", [0xff, 0x80, b' ', 0xe9]).signed_by(&signer);
    assert_eq!(request.authenticate(), accepted());
    assert_eq!(request.set("x-raw", [0xff, 0x81, b' ', 0xe9]).authenticate(), mismatch());
}
