//! The requests that are rightly signed, of which the fuzzer can make no further one: it knows their
//! signatures, by shorthand, and no secret.

use std::sync::OnceLock;

use super::draft::{
    ATTESTED, Credential, DATE, Draft, HTTP_DATE, PLAIN, PLAIN_SHA_256, RECIPIENT, SESSION,
    canonical_value,
};
use crate::connection::framing::Request;

/// A request that proves its caller.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) draft: Draft,
    /// What stands for its signature.
    pub(crate) shorthand: String,
    pub(crate) signature: String,
    /// What it is answered with.
    pub(crate) outcome: Outcome,
    signed_headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// What a caller gets who is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What it asks for.
    Granted,
    /// An error of this type.
    Refused(&'static str),
}

use Outcome::{Granted, Refused};

/// One character each: what follows the dollar sign.
const SHORTHANDS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// All of them.
pub(crate) fn all() -> &'static [Known] {
    static ALL: OnceLock<Vec<Known>> = OnceLock::new();
    ALL.get_or_init(|| {
        let drafts = drafts();
        assert!(drafts.len() <= SHORTHANDS.len(), "a shorthand for each");
        let known = SHORTHANDS.chars().zip(drafts);
        known.map(|(shorthand, (draft, outcome))| Known::new(shorthand, draft, outcome)).collect()
    })
}

impl Known {
    fn new(shorthand: char, draft: Draft, outcome: Outcome) -> Self {
        Self {
            shorthand: format!("${shorthand}"),
            signature: draft.signature(),
            outcome,
            signed_headers: draft.signed_headers(),
            body: draft.expanded_body(),
            draft,
        }
    }

    /// The whole request; its signature is a shorthand.
    pub(crate) fn input(&self) -> String {
        self.draft.signed_with(&self.shorthand)
    }

    pub(crate) fn credential(&self) -> &'static Credential {
        self.draft.credential()
    }

    /// Whether `request` is this one in all that was signed, white space and order aside, and has no
    /// header of AWS that was not signed.
    pub(crate) fn is(&self, request: &Request<'_>) -> bool {
        let holds = |text: &str| {
            let mut values = request.values("authorization").into_iter();
            values.any(|value| value.windows(text.len()).any(|window| window == text.as_bytes()))
        };
        let is_same =
            |(name, value): &(String, Vec<u8>)| canonical_value(request.values(name)) == *value;
        let is_signed = |sent: &str| self.signed_headers.iter().any(|(name, _)| *name == sent);
        let mut of_aws = request.names().filter(|name| name.starts_with("x-amz-"));
        let token = self.credential().session_token.map(str::as_bytes);
        request.method == "POST"
            && request.path().is_empty()
            && !request.has_query()
            && request.body == self.body
            && holds(&self.signature)
            && self.signed_headers.iter().all(is_same)
            && of_aws.all(|name| is_signed(&name))
            && request.values("x-amz-security-token") == Vec::from_iter(token)
    }
}

/// Returns the one that `request` is. Where the Content-Type is not signed, one signature is that of
/// several: then one that is granted, if there is any.
pub(crate) fn find(request: &Request<'_>) -> Option<&'static Known> {
    let mut found: Vec<_> = all().iter().filter(|known| known.is(request)).collect();
    found.sort_by_key(|known| known.outcome != Granted);
    found.first().copied()
}

/// Further ones belong at the end: saved inputs name them by their places.
fn drafts() -> Vec<(Draft, Outcome)> {
    let good = Draft::good;
    let describe = || good().set("X-Amz-Target", "TrentService.DescribeCustomKeyStores").body("{}");
    let of_aws_cli = good()
        .with("User-Agent", "aws-cli/2.31.0  md/Botocore#1.40.0 \t ua/2.1 os/linux")
        .with("Accept-Encoding", "identity")
        .with("Connection", "close")
        .unsigned("User-Agent")
        .unsigned("Accept-Encoding")
        .unsigned("Connection");
    let of_all_headers = good()
        .with("User-Agent", "two  spaces, \t and a tab")
        .with("Accept", "a")
        .with("Accept", "b, c")
        .with("Empty", "")
        .with("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
    vec![
        (good(), Granted),
        (good().body(ATTESTED), Granted),
        (good().by(&SESSION), Granted),
        (good().by(&SESSION).body(ATTESTED), Granted),
        (good().by(&RECIPIENT).body(ATTESTED), Granted),
        (describe(), Granted),
        (of_aws_cli, Granted),
        (of_all_headers, Granted),
        (good().set("X-Amz-Date", "20270115T075500Z"), Granted),
        (good().set("X-Amz-Date", "20270115T080500Z"), Granted),
        (good().with("X-Amz-Content-Sha256", PLAIN_SHA_256), Granted),
        (good().by(&RECIPIENT).body(PLAIN), Refused("AccessDeniedException")),
        (describe().by(&RECIPIENT), Refused("AccessDeniedException")),
        (describe().body(r#"{"Marker":"m"}"#), Refused("InvalidMarkerException")),
        (good().body("{"), Refused("SerializationException")),
        (good().body(""), Refused("SerializationException")),
        (good().body(r#"{"NumberOfBytes":1025}"#), Refused("ValidationException")),
        (
            good().body(r#"{"NumberOfBytes":1,"CustomKeyStoreId":"cks-1"}"#),
            Refused("CustomKeyStoreNotFoundException"),
        ),
        (good().set("X-Amz-Target", "TrentService.Encrypt"), Refused("UnknownOperationException")),
        (good().set("Content-Type", "text/plain"), Refused("ValidationException")),
        (good().without("Content-Type"), Refused("ValidationException")),
        (good().unsigned("Content-Type"), Granted),
        (good().unsigned("Content-Type").body(ATTESTED), Granted),
        (good().without("X-Amz-Date").with("Date", HTTP_DATE), Granted),
        (good().without("X-Amz-Date").with("Date", DATE), Granted),
        (good().without("X-Amz-Target"), Refused("UnknownOperationException")),
    ]
}
