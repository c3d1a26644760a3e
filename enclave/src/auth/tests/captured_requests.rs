//! Captured requests of real clients.

use super::*;

const BOTO3: &[u8] = include_bytes!("../vectors/boto3.http");
const BOTO3_SESSION_TOKEN: &[u8] = include_bytes!("../vectors/boto3-session-token.http");
const AWS_CLI_V1: &[u8] = include_bytes!("../vectors/aws-cli-v1.http");
const AWS_CLI_V1_RECIPIENT: &[u8] = include_bytes!("../vectors/aws-cli-v1-recipient.http");
const AWS_SDK_JS_V2: &[u8] = include_bytes!("../vectors/aws-sdk-js-v2.http");
const AWS_SDK_JS_V3: &[u8] = include_bytes!("../vectors/aws-sdk-js-v3.http");
const AWS_SDK_RUST: &[u8] = include_bytes!("../vectors/aws-sdk-rust.http");
const AWS4FETCH: &[u8] = include_bytes!("../vectors/aws4fetch.http");
const ALL: [&[u8]; 8] = [
    BOTO3,
    BOTO3_SESSION_TOKEN,
    AWS_CLI_V1,
    AWS_CLI_V1_RECIPIENT,
    AWS_SDK_JS_V2,
    AWS_SDK_JS_V3,
    AWS_SDK_RUST,
    AWS4FETCH,
];

fn parse(bytes: &[u8]) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let length = request.parse(bytes).unwrap().unwrap();
    assert_eq!((request.method, request.path), (Some("POST"), Some("/")));
    let headers =
        request.headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec()));
    let (headers, body) = (headers.collect(), bytes[length..].to_vec());
    let request = Request { method: "POST", uri: "/".to_owned(), headers, body };
    assert_eq!(request.value("content-length"), request.body.len().to_string());
    request
}

/// Authenticates the request at its signing time.
fn authenticate(request: &Request) -> Result<String, AuthenticationError> {
    request.at(&verifier(request), moment(&request.value("x-amz-date")))
}

/// Returns a verifier whose credential has a session token if the request contains one.
fn verifier(request: &Request) -> SigV4 {
    let has_token = request.head().headers.contains_key("x-amz-security-token");
    let session_token = has_token.then(|| Secret::new("tok123".to_owned()));
    sigv4(Credential { session_token, ..credential() })
}

fn signed_headers(request: &Request) -> Vec<String> {
    let authorization = request.value("authorization");
    let (_, signed) = authorization.split_once("SignedHeaders=").unwrap();
    signed.split_once(',').unwrap().0.split(';').map(str::to_owned).collect()
}

#[test]
fn accepts_requests_of_real_clients() {
    for bytes in ALL {
        assert_eq!(authenticate(&parse(bytes)), accepted());
    }
}

#[test]
fn test_signer_matches_real_clients() {
    for bytes in ALL {
        let request = parse(bytes);
        let scope = scope_of(&request.value("x-amz-date"));
        let signed_headers = signed_headers(&request).join(";");
        let signer = Signer { signed_headers, ..Signer::for_scope(&scope) };
        let authorization = request.value("authorization");
        assert_eq!(signer.authorization(&request.without("authorization")), authorization);
    }
}

#[test]
fn rejects_any_changed_body() {
    for bytes in ALL {
        let request = parse(bytes);
        for index in 0..request.body.len() {
            let mut changed = request.clone();
            changed.body[index] ^= 1;
            assert_eq!(authenticate(&changed), mismatch(), "byte {index}");
        }
        let (mut longer, mut shorter) = (request.clone(), request);
        longer.body.push(b' ');
        shorter.body.pop();
        assert_eq!((authenticate(&longer), authenticate(&shorter)), (mismatch(), mismatch()));
    }
}

#[test]
fn rejects_changed_signed_headers() {
    for bytes in ALL {
        let request = parse(bytes);
        for name in signed_headers(&request) {
            let expected = match &*name {
                "x-amz-date" => continue,
                "x-amz-security-token" => Err(AuthenticationError::SessionTokenMismatch),
                _ => mismatch(),
            };
            let value = request.value(&name);
            assert_eq!(
                authenticate(&request.clone().set(&name, value.clone() + "0")),
                expected,
                "{name}"
            );
            assert_eq!(
                authenticate(&request.clone().set(&name, value.split_at(1).1)),
                expected,
                "{name}"
            );
        }
        let later = moment(&request.value("x-amz-date")).plus_secs(1).basic_iso8601().to_string();
        assert_eq!(authenticate(&request.set("x-amz-date", later)), mismatch());
    }
}

#[test]
fn rejects_dropped_signed_headers() {
    for bytes in ALL {
        let request = parse(bytes);
        for name in signed_headers(&request) {
            let dropped = request.clone().without(&name);
            let now = moment(&request.value("x-amz-date"));
            let expected = match &*name {
                "x-amz-date" => incomplete(IncompleteSignature::MissingDate),
                "x-amz-security-token" => Err(AuthenticationError::SessionTokenMismatch),
                _ => mismatch(),
            };
            assert_eq!(dropped.at(&verifier(&request), now), expected, "{name}");
        }
    }
}

#[test]
fn rejects_changed_signed_headers_list() {
    for bytes in ALL {
        let request = parse(bytes);
        let signed = signed_headers(&request);
        for name in &signed {
            let fewer: Vec<_> = signed.iter().filter(|other| *other != name).cloned().collect();
            let authorization =
                request.value("authorization").replace(&signed.join(";"), &fewer.join(";"));
            let expected = match &**name {
                "host" => not_signed("host"),
                name if name.starts_with("x-amz-") => not_signed(name),
                _ => mismatch(),
            };
            let changed = request.clone().set("authorization", authorization);
            assert_eq!(authenticate(&changed), expected, "{name}");
        }
    }
}

#[test]
fn accepts_any_content_type_that_is_not_signed() {
    for bytes in [AWS_SDK_JS_V2, AWS4FETCH] {
        let request = parse(bytes);
        assert!(!signed_headers(&request).contains(&"content-type".to_owned()));
        assert_eq!(authenticate(&request.clone().set("content-type", "text/plain")), accepted());
        assert_eq!(authenticate(&request.without("content-type")), accepted());
    }
}

#[test]
fn rejects_any_changed_signature_digit() {
    for bytes in ALL {
        let request = parse(bytes);
        let authorization = request.value("authorization");
        let signature = authorization.len() - 64;
        for index in signature..authorization.len() {
            let mut changed = authorization.clone().into_bytes();
            changed[index] = if changed[index] == b'0' { b'1' } else { b'0' };
            assert_eq!(
                authenticate(&request.clone().set("authorization", changed)),
                mismatch(),
                "{index}"
            );
        }
    }
}

#[test]
fn accepts_changed_unsigned_headers() {
    let request = parse(BOTO3).set("user-agent", "a proxy").with("via", "1.1 proxy");
    assert_eq!(authenticate(&request), accepted());
}

#[test]
fn rejects_changed_authorization_without_repeating_it() {
    let without_spaces = |value: &[u8]| {
        let kept = value.iter().filter(|byte| !b" \t".contains(byte));
        kept.copied().collect::<Vec<u8>>()
    };
    for bytes in ALL {
        let request = parse(bytes);
        let authorization = request.value("authorization");
        let signature = authorization.split_at(authorization.len() - 8).1;
        let assert_rejected = |changed: Vec<u8>| {
            let result = authenticate(&request.clone().set("authorization", &changed));
            let same = without_spaces(&changed) == without_spaces(authorization.as_bytes());
            assert!(result.is_err() || same, "{changed:?}");
            let text = result.map_or_else(|error| format!("{error} {error:?}"), |_| String::new());
            for secret in [signature, ACCESS_KEY_ID, "tok123", SECRET] {
                assert!(!text.contains(secret), "{text}");
            }
        };
        for index in 0..authorization.len() {
            assert_rejected(authorization.split_at(index).0.into());
            for byte in [b'A', b'a', b'0', b'/', b',', b'=', b';', b' ', b'\t', b'~', 0x80, 0xff] {
                let mut changed = authorization.clone().into_bytes();
                changed[index] = byte;
                assert_rejected(changed);
            }
        }
    }
}
