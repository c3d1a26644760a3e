//! A signer for AWS Signature Version 4 that can also create incorrect signatures. The signer
//! follows the IAM User Guide ("Create a signed AWS API request") and shares no code with the
//! service.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::harness::configuration::{ACCESS_KEY_ID, REGION, SECRET};
use crate::harness::requests::GENERATE_RANDOM;

/// [`NOW`](crate::harness::service::NOW) in the format of X-Amz-Date.
pub(crate) const DATE: &str = "20270115T080000Z";
/// [`NOW`](crate::harness::service::NOW) in the format of the header Date.
pub(crate) const HTTP_DATE: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
pub(crate) const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-target";
/// The algorithm in the Authorization header.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request before it is signed.
#[derive(Clone)]
pub(crate) struct UnsignedRequest {
    line: String,
    /// The name of each header field, and the bytes after its colon.
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// The parameters of a signature.
#[derive(Clone)]
pub(crate) struct SigningOptions {
    pub(crate) access_key_id: String,
    pub(crate) secret: &'static str,
    /// The scope in the Credential parameter. The signing key is derived from this scope.
    pub(crate) scope: String,
    /// The names of the signed headers, in the order of the signature.
    pub(crate) signed_headers: String,
    /// A text that is signed instead of the hash of the body.
    pub(crate) payload_hash: Option<String>,
}

/// A function that changes the case of a field name.
pub(crate) type HeaderCase = fn(&str) -> String;

impl UnsignedRequest {
    /// Creates a GenerateRandom request with this body.
    pub(crate) fn new(body: impl AsRef<[u8]>) -> Self {
        Self { line: "POST / HTTP/1.1".to_owned(), fields: Vec::new(), body: Vec::new() }
            .with("Host", "localhost")
            .with("Content-Type", "application/x-amz-json-1.1")
            .with("X-Amz-Target", GENERATE_RANDOM)
            .with("X-Amz-Date", DATE)
            .body(body)
    }

    pub(crate) fn line(self, line: &str) -> Self {
        Self { line: line.to_owned(), ..self }
    }

    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..self }
    }

    /// Appends a header field.
    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.with_raw(name, [b" ", value.as_ref()].concat())
    }

    /// Appends a header field without a space after the colon.
    pub(crate) fn with_raw(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(existing, _)| !existing.eq_ignore_ascii_case(name));
        self
    }

    /// Removes a header field, and appends the field with the new value.
    pub(crate) fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    /// Reorders the header fields by index.
    pub(crate) fn ordered(self, order: &[usize]) -> Self {
        let fields = order.iter().map(|index| self.fields[*index].clone()).collect();
        Self { fields, ..self }
    }

    /// Changes the case of the letters in all field names.
    pub(crate) fn named(mut self, header_case: HeaderCase) -> Self {
        for (name, _) in &mut self.fields {
            *name = header_case(name);
        }
        self
    }

    /// Encodes the request without a signature.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend([name.as_bytes(), b":", value, b"\r\n"].concat());
        }
        if self.values("content-length").is_empty() {
            bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).into_bytes());
        }
        [&bytes[..], b"\r\n", &self.body].concat()
    }

    /// Encodes the request with this Authorization header.
    pub(crate) fn authorized(&self, authorization: impl AsRef<[u8]>) -> Vec<u8> {
        self.clone().with("Authorization", authorization).unsigned()
    }

    /// Encodes the request with a valid signature.
    pub(crate) fn signed(&self) -> Vec<u8> {
        self.signed_as(&SigningOptions::default())
    }

    pub(crate) fn signed_as(&self, signing: &SigningOptions) -> Vec<u8> {
        self.authorized(signing.authorization(self))
    }

    /// Encodes the request with the signature of another request.
    pub(crate) fn signed_over(&self, other: &Self) -> Vec<u8> {
        self.authorized(SigningOptions::default().authorization(other))
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        let is_header = |(existing, _): &&(String, Vec<u8>)| existing.eq_ignore_ascii_case(name);
        self.fields.iter().filter(is_header).map(|(_, value)| value.as_slice()).collect()
    }

    /// Returns the time in the string to sign. If the request has Date instead of X-Amz-Date,
    /// returns [`DATE`], regardless of the format of the header.
    fn date(&self) -> String {
        match self.values("x-amz-date").first() {
            Some(value) => String::from_utf8_lossy(value.trim_ascii()).into_owned(),
            None => DATE.to_owned(),
        }
    }

    /// Returns the path and the query.
    fn target(&self) -> (&str, &str) {
        let target = self.line.split(' ').nth(1).unwrap();
        let target = target.strip_prefix("http://localhost").unwrap_or(target);
        let target = if target.is_empty() { "/" } else { target };
        target.split_once('?').unwrap_or((target, ""))
    }
}

impl Default for SigningOptions {
    fn default() -> Self {
        Self {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret: SECRET,
            scope: scope("20270115"),
            signed_headers: SIGNED_HEADERS.to_owned(),
            payload_hash: None,
        }
    }
}

/// Returns the valid scope for requests on a day.
pub(crate) fn scope(date: &str) -> String {
    format!("{date}/{REGION}/kms/aws4_request")
}

impl SigningOptions {
    pub(crate) fn by(access_key_id: impl Into<String>) -> Self {
        Self { access_key_id: access_key_id.into(), ..Self::default() }
    }

    pub(crate) fn for_scope(scope: impl Into<String>) -> Self {
        Self { scope: scope.into(), ..Self::default() }
    }

    pub(crate) fn over_headers(signed_headers: impl Into<String>) -> Self {
        Self { signed_headers: signed_headers.into(), ..Self::default() }
    }

    pub(crate) fn over_payload(payload_hash: impl Into<String>) -> Self {
        Self { payload_hash: Some(payload_hash.into()), ..Self::default() }
    }

    /// Adds a signed header.
    pub(crate) fn and(mut self, name: &str) -> Self {
        let mut names: Vec<&str> = self.signed_headers.split(';').chain([name]).collect();
        names.sort_unstable();
        self.signed_headers = names.join(";");
        self
    }

    pub(crate) fn authorization(&self, draft: &UnsignedRequest) -> String {
        let [credential, headers, signature] = self.parameters(draft);
        format!("{ALGORITHM} {credential}, {headers}, {signature}")
    }

    /// Returns the parameters Credential, SignedHeaders and Signature.
    pub(crate) fn parameters(&self, draft: &UnsignedRequest) -> [String; 3] {
        [
            format!("Credential={}/{}", self.access_key_id, self.scope),
            format!("SignedHeaders={}", self.signed_headers),
            format!("Signature={}", self.signature(draft)),
        ]
    }

    /// Returns the signature as 64 hexadecimal digits.
    pub(crate) fn signature(&self, draft: &UnsignedRequest) -> String {
        let hash = sha256(&self.canonical(draft));
        let to_sign = format!("{ALGORITHM}\n{}\n{}\n{hash}", draft.date(), self.scope);
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in self.scope.split('/') {
            key = hmac(&key, part);
        }
        const_hex::encode(hmac(&key, &to_sign))
    }

    fn canonical(&self, draft: &UnsignedRequest) -> Vec<u8> {
        let method = draft.line.split(' ').next().unwrap();
        let (path, query) = draft.target();
        let mut canonical = format!("{method}\n{path}\n{query}\n").into_bytes();
        for name in self.signed_headers.split(';') {
            let values: Vec<Vec<u8>> = draft.values(name).into_iter().map(trim_all).collect();
            canonical.extend([name.as_bytes(), b":", &values.join(&b','), b"\n"].concat());
        }
        let hash = self.payload_hash.clone().unwrap_or_else(|| sha256(&draft.body));
        canonical.extend(format!("\n{}\n{hash}", self.signed_headers).into_bytes());
        canonical
    }
}

/// Returns the SHA-256 digest in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    const_hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(message.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}

/// Removes surrounding white space, and replaces repeated white space by one space.
fn trim_all(value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> =
        value.iter().map(|byte| if *byte == b'\t' { b' ' } else { *byte }).collect();
    out.dedup_by(|next, byte| *next == b' ' && *byte == b' ');
    out.trim_ascii().to_vec()
}
