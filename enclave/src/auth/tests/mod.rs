//! Tests of accepted requests, and of the error for each rejected request.

mod captured_requests;
mod date_header;
mod headers;
mod loggable_access_key_id;
mod signature;

use std::sync::Arc;

use attestation::crypto::{HmacSha256, Sha256};
use attestation::time::UnixMillis;
use hyper::http::request::Parts;

use super::*;
use crate::principal::Principal;

const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ARN: &str = "arn:aws:iam::123456789012:role/wallet";
const REGION: &str = "eu-west-1";
const DATE: &str = "20261123T181900Z";
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";

fn credential() -> Credential {
    Credential {
        access_key_id: ACCESS_KEY_ID.into(),
        secret_access_key: Secret::new(SECRET.to_owned()),
        session_token: None,
        expires: None,
        principal: Arc::new(Principal::new(ARN).unwrap()),
    }
}

fn sigv4(credential: Credential) -> SigV4 {
    SigV4::new(REGION, vec![credential]).unwrap()
}

fn moment(basic_iso8601: &str) -> UnixMillis {
    UnixMillis::from_basic_iso8601(basic_iso8601).unwrap()
}

/// A request that tests change before or after signing.
#[derive(Clone)]
struct Request {
    method: &'static str,
    uri: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    fn new() -> Self {
        let headers = [
            ("host", "127.0.0.1:18111"),
            ("x-amz-target", "TrentService.GenerateRandom"),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-date", DATE),
            ("user-agent", "tests"),
        ];
        let body = br#"{"NumberOfBytes": 32}"#.to_vec();
        Self { method: "POST", uri: "/".to_owned(), headers: Vec::new(), body }.with_all(&headers)
    }

    /// Adds a header.
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn with_all(self, headers: &[(&str, &str)]) -> Self {
        headers.iter().fold(self, |request, (name, value)| request.with(name, value))
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces the value of a header.
    fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    fn signed(self) -> Self {
        self.signed_by(&Signer::default())
    }

    fn signed_by(self, signer: &Signer) -> Self {
        let authorization = signer.authorization(&self);
        self.with("authorization", authorization)
    }

    fn value(&self, name: &str) -> String {
        let matches = |(known, _): &&(String, Vec<u8>)| known.eq_ignore_ascii_case(name);
        String::from_utf8(self.headers.iter().find(matches).unwrap().1.clone()).unwrap()
    }

    fn head(&self) -> Parts {
        let mut request = hyper::Request::builder().method(self.method).uri(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        request.body(()).unwrap().into_parts().0
    }

    /// Authenticates the request at `now`, and returns the ARN of the principal.
    fn at(&self, sigv4: &SigV4, now: UnixMillis) -> Result<String, AuthenticationError> {
        let caller = sigv4.authenticate(&self.head(), &self.body, now)?;
        assert_eq!(&*caller.access_key_id, ACCESS_KEY_ID);
        Ok(caller.principal.arn().to_owned())
    }

    fn authenticate(&self) -> Result<String, AuthenticationError> {
        self.at(&sigv4(credential()), moment(DATE))
    }
}

/// A signer that follows the AWS documentation. It builds the canonical request in memory.
#[derive(Clone)]
struct Signer {
    secret: &'static str,
    /// The text after the access key ID in Credential.
    scope: String,
    signed_headers: String,
    /// A replacement for the digest of the body.
    body_hash: Option<&'static str>,
    /// A replacement for X-Amz-Date in the string to sign.
    timestamp: Option<&'static str>,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            secret: SECRET,
            scope: scope_of(DATE),
            signed_headers: SIGNED.to_owned(),
            body_hash: None,
            timestamp: None,
        }
    }
}

impl Signer {
    fn for_headers(signed_headers: &str) -> Self {
        Self { signed_headers: signed_headers.to_owned(), ..Self::default() }
    }

    fn for_scope(scope: &str) -> Self {
        Self { scope: scope.to_owned(), ..Self::default() }
    }

    fn authorization(&self, request: &Request) -> String {
        let Self { scope, signed_headers, .. } = self;
        let signature = self.signature(request);
        format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{scope}, \
             SignedHeaders={signed_headers}, Signature={signature}"
        )
    }

    fn signature(&self, request: &Request) -> String {
        let canonical = self.canonical(request);
        let date = self.timestamp.map_or_else(|| request.value("x-amz-date"), str::to_owned);
        let hash = const_hex::encode(Sha256::digest(&canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{hash}", self.scope);
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in self.scope.split('/') {
            key = hmac(&key, part);
        }
        const_hex::encode(hmac(&key, &to_sign))
    }

    fn canonical(&self, request: &Request) -> Vec<u8> {
        let mut canonical = format!("{}\n{}\n\n", request.method, request.uri).into_bytes();
        for name in self.signed_headers.split(';') {
            let values = request.headers.iter().filter(|(known, _)| known.to_lowercase() == name);
            let values: Vec<_> = values.map(|(_, value)| trimmed(value)).collect();
            canonical.extend([name.as_bytes(), b":", &values.join(&b','), b"\n"].concat());
        }
        let hash = const_hex::encode(Sha256::digest(&request.body));
        let hash = self.body_hash.unwrap_or(&hash);
        canonical.extend(format!("\n{}\n{hash}", self.signed_headers).into_bytes());
        canonical
    }
}

/// Returns the expected scope for the day of an X-Amz-Date.
fn scope_of(date: &str) -> String {
    format!("{}/{REGION}/kms/aws4_request", date.split('T').next().unwrap())
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut hmac = HmacSha256::new(key);
    hmac.update(message.as_bytes());
    hmac.finish().to_vec()
}

fn trimmed(value: &[u8]) -> Vec<u8> {
    let mut spaced: Vec<u8> =
        value.iter().map(|&byte| if byte == b'\t' { b' ' } else { byte }).collect();
    spaced.dedup_by(|next, byte| *next == b' ' && *byte == b' ');
    spaced.trim_ascii().to_vec()
}

fn mismatch<T>() -> Result<T, AuthenticationError> {
    Err(InvalidSignature::Mismatch.into())
}

fn incomplete<T>(error: IncompleteSignature) -> Result<T, AuthenticationError> {
    Err(error.into())
}

fn not_signed<T>(name: &str) -> Result<T, AuthenticationError> {
    let name = name.parse().unwrap();
    incomplete(IncompleteSignature::HeaderNotSigned { name })
}

fn invalid<T>(error: InvalidSignature) -> Result<T, AuthenticationError> {
    Err(error.into())
}

fn accepted() -> Result<String, AuthenticationError> {
    Ok(ARN.to_owned())
}
