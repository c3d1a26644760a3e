//! The requests with valid signatures. An input can contain these signatures as placeholders. An input
//! contains no secret, so no other request can have a valid signature.

use std::sync::OnceLock;

use super::request_builder::{
    ATTESTED, Credential, DATE, HTTP_DATE, PLAIN, PLAIN_SHA_256, RECIPIENT_ONLY, RequestBuilder,
    SESSION, canonical_value,
};
use crate::connection::framing::Request;

/// A request that authenticates its caller.
#[derive(Debug)]
pub(crate) struct ValidRequest {
    pub(crate) builder: RequestBuilder,
    /// The placeholder of the signature.
    pub(crate) placeholder: String,
    pub(crate) signature: String,
    /// The outcome of the request.
    pub(crate) outcome: Outcome,
    signed_headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// The outcome of an authenticated request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The request succeeds.
    Success,
    /// The request fails with an error of this type.
    Error(&'static str),
}

use Outcome::{Error, Success};

/// The characters after the dollar sign of a placeholder, one per request.
const PLACEHOLDERS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// Returns all valid requests.
pub(crate) fn all() -> &'static [ValidRequest] {
    static ALL: OnceLock<Vec<ValidRequest>> = OnceLock::new();
    ALL.get_or_init(|| {
        let requests = requests();
        assert!(requests.len() <= PLACEHOLDERS.len(), "there are fewer placeholders than requests");
        let requests = PLACEHOLDERS.chars().zip(requests);
        requests
            .map(|(name, (builder, outcome))| ValidRequest::new(name, builder, outcome))
            .collect()
    })
}

impl ValidRequest {
    fn new(name: char, builder: RequestBuilder, outcome: Outcome) -> Self {
        Self {
            placeholder: format!("${name}"),
            signature: builder.signature(),
            outcome,
            signed_headers: builder.signed_headers(),
            body: builder.expanded_body(),
            builder,
        }
    }

    /// Returns the whole request, with a placeholder as its signature.
    pub(crate) fn input(&self) -> String {
        self.builder.with_signature(&self.placeholder)
    }

    pub(crate) fn credential(&self) -> &'static Credential {
        self.builder.credential()
    }

    /// Returns whether `request` has the same signed parts and no unsigned `x-amz-` header. White space
    /// and the order of headers may differ.
    pub(crate) fn matches(&self, request: &Request<'_>) -> bool {
        let holds = |text: &str| {
            let mut values = request.values("authorization").into_iter();
            values.any(|value| value.windows(text.len()).any(|window| window == text.as_bytes()))
        };
        let is_same =
            |(name, value): &(String, Vec<u8>)| canonical_value(request.values(name)) == *value;
        let is_signed = |sent: &str| self.signed_headers.iter().any(|(name, _)| *name == sent);
        let mut amz_headers = request.names().filter(|name| name.starts_with("x-amz-"));
        let token = self.credential().session_token.map(str::as_bytes);
        request.method == "POST"
            && request.path().is_empty()
            && !request.has_query()
            && request.body == self.body
            && holds(&self.signature)
            && self.signed_headers.iter().all(is_same)
            && amz_headers.all(|name| is_signed(&name))
            && request.values("x-amz-security-token") == Vec::from_iter(token)
    }
}

/// Returns the valid request that `request` matches. Several valid requests can match if their
/// Content-Type is not signed. In that case, returns one that succeeds, if there is one.
pub(crate) fn find(request: &Request<'_>) -> Option<&'static ValidRequest> {
    let mut found: Vec<_> = all().iter().filter(|valid| valid.matches(request)).collect();
    found.sort_by_key(|valid| valid.outcome != Success);
    found.first().copied()
}

/// Returns the requests. Add new requests at the end, because the placeholders in saved inputs
/// depend on the position of a request.
fn requests() -> Vec<(RequestBuilder, Outcome)> {
    let valid = RequestBuilder::valid;
    let describe =
        || valid().set("X-Amz-Target", "TrentService.DescribeCustomKeyStores").body("{}");
    let aws_cli = valid()
        .with("User-Agent", "aws-cli/2.31.0  md/Botocore#1.40.0 \t ua/2.1 os/linux")
        .with("Accept-Encoding", "identity")
        .with("Connection", "close")
        .unsigned("User-Agent")
        .unsigned("Accept-Encoding")
        .unsigned("Connection");
    let unusual_headers = valid()
        .with("User-Agent", "two  spaces, \t and a tab")
        .with("Accept", "a")
        .with("Accept", "b, c")
        .with("Empty", "")
        .with("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
    vec![
        (valid(), Success),
        (valid().body(ATTESTED), Success),
        (valid().with_credential(&SESSION), Success),
        (valid().with_credential(&SESSION).body(ATTESTED), Success),
        (valid().with_credential(&RECIPIENT_ONLY).body(ATTESTED), Success),
        (describe(), Success),
        (aws_cli, Success),
        (unusual_headers, Success),
        (valid().set("X-Amz-Date", "20270115T075500Z"), Success),
        (valid().set("X-Amz-Date", "20270115T080500Z"), Success),
        (valid().with("X-Amz-Content-Sha256", PLAIN_SHA_256), Success),
        (valid().with_credential(&RECIPIENT_ONLY).body(PLAIN), Error("AccessDeniedException")),
        (describe().with_credential(&RECIPIENT_ONLY), Error("AccessDeniedException")),
        (describe().body(r#"{"Marker":"m"}"#), Error("InvalidMarkerException")),
        (valid().body("{"), Error("SerializationException")),
        (valid().body(""), Error("SerializationException")),
        (valid().body(r#"{"NumberOfBytes":1025}"#), Error("ValidationException")),
        (
            valid().body(r#"{"NumberOfBytes":1,"CustomKeyStoreId":"cks-1"}"#),
            Error("CustomKeyStoreNotFoundException"),
        ),
        (valid().set("X-Amz-Target", "TrentService.Encrypt"), Error("UnknownOperationException")),
        (valid().set("Content-Type", "text/plain"), Error("ValidationException")),
        (valid().without("Content-Type"), Error("ValidationException")),
        (valid().unsigned("Content-Type"), Success),
        (valid().unsigned("Content-Type").body(ATTESTED), Success),
        (valid().without("X-Amz-Date").with("Date", HTTP_DATE), Success),
        (valid().without("X-Amz-Date").with("Date", DATE), Success),
        (valid().without("X-Amz-Target"), Error("UnknownOperationException")),
    ]
}
