//! Builds and signs requests as the IAM User Guide describes ("Create a signed AWS API request").
//! The builder shares only the hash functions with the service. The builder can also sign invalid
//! requests.

use std::collections::BTreeSet;

use attestation::crypto::{HmacSha256, SHA_256_LENGTH, Sha256};

use crate::placeholder;

/// A credential of `fixtures/signed.toml`.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) access_key_id: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) session_token: Option<&'static str>,
}

/// A credential that allows all requests.
pub(crate) const UNRESTRICTED: Credential = Credential {
    access_key_id: "AKIDOFMANY",
    secret: "secret/of+many/everybody+has+it",
    session_token: None,
};

/// A credential with a session token that allows all requests.
pub(crate) const SESSION: Credential = Credential {
    access_key_id: "ASIAOFASESSION",
    secret: "secret/of+a+session/everybody+has+it",
    session_token: Some("token/of+a+session/everybody+has+it=="),
};

/// A credential that allows random bytes for a Recipient only.
pub(crate) const RECIPIENT_ONLY: Credential = Credential {
    access_key_id: "AKIDOFARECIPIENT",
    secret: "secret/of+a+recipient/everybody+has+it",
    session_token: None,
};

/// An expired credential.
pub(crate) const EXPIRED: Credential = Credential {
    access_key_id: "AKIDOFTHEPAST",
    secret: "secret/of+the+past/everybody+has+it",
    session_token: None,
};

/// The time of the signatures, which is `fixture::NOW`.
pub(crate) const DATE: &str = "20270115T080000Z";

/// The same time in the format of the Date header.
pub(crate) const HTTP_DATE: &str = "Fri, 15 Jan 2027 08:00:00 GMT";

pub(crate) const PLAIN: &str = r#"{"NumberOfBytes":32}"#;
pub(crate) const PLAIN_SHA_256: &str =
    "b386e4217667b85b62d23d3751c5cd6ec17da520661d3785147076dbc373761c";
pub(crate) const ATTESTED: &str = r#"{"NumberOfBytes":32,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"$D"}}"#;

/// A request. The body may contain the placeholder of a document.
#[derive(Clone, Debug)]
pub(crate) struct RequestBuilder {
    method: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    /// Headers, in the order in which they are sent.
    headers: Vec<(&'static str, &'static str)>,
    /// Names of the headers that the signature omits.
    unsigned: BTreeSet<&'static str>,
    credential: &'static Credential,
    scope: &'static str,
    body: &'static str,
    /// A text that is signed instead of the hash of the body.
    payload_hash: Option<&'static str>,
}

impl RequestBuilder {
    /// Returns a valid GenerateRandom request.
    pub(crate) fn valid() -> Self {
        Self {
            method: "POST",
            path: "/",
            query: None,
            headers: vec![
                ("Host", "kms"),
                ("Content-Type", "application/x-amz-json-1.1"),
                ("X-Amz-Date", DATE),
                ("X-Amz-Target", "TrentService.GenerateRandom"),
            ],
            unsigned: BTreeSet::new(),
            credential: &UNRESTRICTED,
            scope: "20270115/eu-west-1/kms/aws4_request",
            body: PLAIN,
            payload_hash: None,
        }
    }

    /// Replaces the credential, and sends the session token of the new credential.
    pub(crate) fn with_credential(mut self, credential: &'static Credential) -> Self {
        self.headers.extend(credential.session_token.map(|token| ("X-Amz-Security-Token", token)));
        Self { credential, ..self }
    }

    pub(crate) fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    /// Signs this text instead of the body's hash.
    pub(crate) fn payload_hash(self, payload_hash: &'static str) -> Self {
        Self { payload_hash: Some(payload_hash), ..self }
    }

    pub(crate) fn scope(self, scope: &'static str) -> Self {
        Self { scope, ..self }
    }

    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn path(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    pub(crate) fn query(self, query: &'static str) -> Self {
        Self { query: Some(query), ..self }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Removes a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// Replaces the value of a header.
    pub(crate) fn set(self, name: &'static str, value: &'static str) -> Self {
        self.without(name).with(name, value)
    }

    /// Omits a header from the signature.
    pub(crate) fn unsigned(mut self, name: &'static str) -> Self {
        self.unsigned.insert(name);
        self
    }

    pub(crate) fn credential(&self) -> &'static Credential {
        self.credential
    }

    /// Returns the body with expanded placeholders.
    pub(crate) fn expanded_body(&self) -> Vec<u8> {
        placeholder::expand(self.body.as_bytes(), &[placeholder::document()])
    }

    /// Returns the names of the signed headers in order, each with its canonical value.
    pub(crate) fn signed_headers(&self) -> Vec<(String, Vec<u8>)> {
        let signed = self.headers.iter().filter(|(name, _)| !self.unsigned.contains(name));
        let names: BTreeSet<String> = signed.map(|(name, _)| name.to_lowercase()).collect();
        let value = |wanted: &str| {
            let of_name = self.headers.iter().filter(|(name, _)| name.to_lowercase() == wanted);
            canonical_value(of_name.map(|(_, value)| value.as_bytes()))
        };
        names.into_iter().map(|name| (name.clone(), value(&name))).collect()
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.signed_headers().into_iter().map(|(name, _)| name).collect();
        names.join(";")
    }

    /// Returns the signature in hexadecimal.
    pub(crate) fn signature(&self) -> String {
        let headers = self
            .signed_headers()
            .into_iter()
            .flat_map(|(name, value)| [name.as_bytes(), b":", &value, b"\n"].concat());
        let hash = hex(&Sha256::digest(&self.expanded_body()));
        let payload = self.payload_hash.unwrap_or(&hash);
        let canonical = [
            format!("{}\n{}\n{}\n", self.method, self.path, self.query.unwrap_or("")).into_bytes(),
            headers.collect(),
            format!("\n{}\n{payload}", self.names()).into_bytes(),
        ]
        .concat();
        let date = self.headers.iter().find(|(name, _)| *name == "X-Amz-Date");
        let date = date.map_or(DATE, |(_, date)| date);
        let canonical = hex(&Sha256::digest(&canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{canonical}", self.scope);
        let key = format!("AWS4{}", self.credential.secret).into_bytes();
        let key = self.scope.split('/').fold(key, |key, part| hmac(&key, part).to_vec());
        hex(&hmac(&key, &to_sign))
    }

    /// Returns the value of the Authorization header with this signature.
    pub(crate) fn authorization(&self, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.credential.access_key_id,
            self.scope,
            self.names()
        )
    }

    /// Returns the whole request with this signature.
    pub(crate) fn with_signature(&self, signature: &str) -> String {
        let Self { method, path, .. } = self;
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        let header = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
        let headers: String = self.headers.iter().map(header).collect();
        let authorization = self.authorization(signature);
        let length = self.expanded_body().len();
        format!(
            "{method} {path}{query} HTTP/1.1\r\n{headers}Authorization: {authorization}\r\n\
             Content-Length: {length}\r\n\r\n{}",
            self.body
        )
    }

    /// Returns the whole request with its valid signature.
    pub(crate) fn signed(&self) -> String {
        self.with_signature(&self.signature())
    }
}

/// Returns the canonical value of a header. Repeated white space is replaced by one space, and
/// surrounding white space is removed. Several values are joined with commas.
pub(crate) fn canonical_value<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let one = |value: &[u8]| {
        let words = value.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(&b' ')
    };
    values.into_iter().map(one).collect::<Vec<_>>().join(&b',')
}

fn hmac(key: &[u8], message: &str) -> [u8; SHA_256_LENGTH] {
    let mut hmac = HmacSha256::new(key);
    hmac.update(message.as_bytes());
    *hmac.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
