//! The access key ID that the log contains for an unauthenticated request.

use super::headers::{SIGNATURE, parameters, scoped};
use super::*;

#[test]
fn returns_loggable_access_key_id_from_malformed_headers() {
    let sigv4 = sigv4(credential());
    let claimed = |value: &[u8]| {
        let head = Request::new().with("authorization", value).head();
        sigv4.loggable_access_key_id(&head)
    };
    let signed = |id: &str| parameters(&scoped(id), SIGNED, SIGNATURE).into_bytes();
    for (value, id) in [
        (signed("AKIDOLD"), "AKIDOLD"),
        (signed("AKID/OLD, x"), "AKID/OLD, x"),
        (signed(&"A".repeat(200)), &*"A".repeat(128)),
        (signed(&"\u{e9}".repeat(200)), &*"\u{e9}".repeat(128)),
        (signed("a\tb"), "a\tb"),
        (b"AWS4-HMAC-SHA256 Credential=\xff/2/r/kms/aws4_request".to_vec(), "\u{fffd}"),
        (b"AWS4-HMAC-SHA256 Credential=AKIDOLD/2, SignedHeaders=host".to_vec(), "AKIDOLD/2"),
        (
            b"AWS4-HMAC-SHA256 SignedHeaders=host, Credential=AKIDOLD , Signature=0".to_vec(),
            "AKIDOLD",
        ),
        (b"Credential=".to_vec(), ""),
    ] {
        assert_eq!(claimed(&value).as_deref(), Some(id), "{}", value.escape_ascii());
    }
    assert_eq!(claimed(b"Basic QUtJRA=="), None);
    assert_eq!(sigv4.loggable_access_key_id(&Request::new().head()), None);
}

#[test]
fn loggable_access_key_id_never_contains_a_secret() {
    let token = Some(Secret::new("a,token".to_owned()));
    let sigv4 = sigv4(Credential { session_token: token, ..credential() });
    for secret in [SECRET, "a,token"] {
        let around = format!("AKID:{secret} ");
        for credential in [scoped(secret), secret.to_owned(), scoped(&around)] {
            let value = parameters(&credential, SIGNED, SIGNATURE);
            let head = Request::new().with("authorization", value).head();
            let claimed = sigv4.loggable_access_key_id(&head);
            assert_eq!(claimed.as_deref(), Some("(a secret of the configuration)"), "{credential}");
        }
    }
}
