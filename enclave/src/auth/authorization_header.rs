//! A strict parser of the Authorization header of AWS Signature Version 4.

use attestation::crypto::SHA_256_LENGTH;
use hyper::http::HeaderValue;

use super::error::IncompleteSignature;
use super::parameter::Parameter;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Maximum length of the header, in bytes. The headers of real clients have about a tenth of this length.
const MAX_LENGTH: usize = 4096;
/// Maximum length of an access key ID, in bytes, as in IAM. The minimum length in IAM is 16. This service accepts
/// shorter IDs, because examples such as AKIDEXAMPLE are shorter.
pub(super) const MAX_ACCESS_KEY_ID_LENGTH: usize = 128;

/// A parsed header: `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`.
pub(super) struct AuthorizationHeader<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) scope: Scope<'a>,
    pub(super) signed_headers: SignedHeaders<'a>,
    pub(super) signature: [u8; SHA_256_LENGTH],
}

/// The credential scope in the request, which is not checked yet. Each part is any text without a slash.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) terminator: &'a str,
}

impl<'a> AuthorizationHeader<'a> {
    pub(super) fn parse(value: &'a HeaderValue) -> Result<Self, IncompleteSignature> {
        if value.len() > MAX_LENGTH {
            return Err(IncompleteSignature::HeaderText);
        }
        let text = value.to_str().map_err(|_| IncompleteSignature::HeaderText)?;
        let (algorithm, parameters) = text.split_once(' ').unwrap_or((text, ""));
        if algorithm != ALGORITHM {
            return Err(IncompleteSignature::Algorithm);
        }
        let (credential, signed_headers, signature) = split_parameters(parameters)?;
        let (access_key_id, scope) = parse_credential(credential)?;
        let signed_headers = SignedHeaders::parse(signed_headers)?;
        let signature = parse_signature(signature)?;
        Ok(Self { access_key_id, scope, signed_headers, signature })
    }
}

/// Returns the values of Credential, SignedHeaders and Signature, in this order. In `text`, the parameters may have
/// any order.
fn split_parameters(text: &str) -> Result<(&str, &str, &str), IncompleteSignature> {
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    let text = text.trim_ascii();
    let parameters = if text.is_empty() { None } else { Some(text.split(',')) };
    for parameter in parameters.into_iter().flatten() {
        let (name, value) =
            parameter.trim_ascii().split_once('=').ok_or(IncompleteSignature::UnknownParameter)?;
        let (name, known) = match name {
            "Credential" => (Parameter::Credential, &mut credential),
            "SignedHeaders" => (Parameter::SignedHeaders, &mut signed_headers),
            "Signature" => (Parameter::Signature, &mut signature),
            _ => return Err(IncompleteSignature::UnknownParameter),
        };
        if known.replace(value).is_some() {
            return Err(IncompleteSignature::DuplicateParameter(name));
        }
    }
    match (credential, signed_headers, signature) {
        (Some(credential), Some(headers), Some(signature)) => Ok((credential, headers, signature)),
        _ => Err(IncompleteSignature::MissingParameters {
            credential: credential.is_none(),
            signature: signature.is_none(),
            signed_headers: signed_headers.is_none(),
        }),
    }
}

fn parse_credential(text: &str) -> Result<(&str, Scope<'_>), IncompleteSignature> {
    let mut elements = text.split('/');
    let mut next = || elements.next().ok_or(IncompleteSignature::Credential);
    let access_key_id = next()?;
    let scope = Scope { date: next()?, region: next()?, service: next()?, terminator: next()? };
    if elements.next().is_some() {
        return Err(IncompleteSignature::Credential);
    }
    if !is_access_key_id(access_key_id) {
        return Err(IncompleteSignature::AccessKeyId);
    }
    Ok((access_key_id, scope))
}

/// Returns whether `text` is a valid access key ID: 1 to 128 letters, digits or underscores.
pub fn is_access_key_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_ACCESS_KEY_ID_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Returns the access key ID in an Authorization header, which may be malformed. The ID is the text of `Credential`
/// before the four elements of the scope. If there are fewer elements, returns the whole text of `Credential`.
pub(super) fn claimed_access_key_id(value: &HeaderValue) -> Option<String> {
    let text =
        String::from_utf8_lossy(value.as_bytes().get(..MAX_LENGTH).unwrap_or(value.as_bytes()));
    let (_, credential) = text.split_once("Credential=")?;
    // The text of `Credential` ends at the name of the next parameter. It may contain commas, because a client may
    // send a secret in place of the ID, and the secret may contain commas.
    let ends =
        ["SignedHeaders=", "Signature="].into_iter().filter_map(|name| credential.find(name));
    let credential = credential.get(..ends.min().unwrap_or(credential.len()))?;
    let credential = credential.trim_end_matches([',', ' ', '\t']);
    Some(credential.rsplitn(5, '/').nth(4).unwrap_or(credential).to_owned())
}

fn parse_signature(text: &str) -> Result<[u8; SHA_256_LENGTH], IncompleteSignature> {
    let mut signature = [0; SHA_256_LENGTH];
    let upper_case = text.bytes().any(|byte| byte.is_ascii_uppercase());
    // Without the check of the length, the decoder would accept a signature with the prefix `0x`.
    if upper_case
        || text.len() != 2 * SHA_256_LENGTH
        || const_hex::decode_to_slice(text, &mut signature).is_err()
    {
        return Err(IncompleteSignature::Signature);
    }
    Ok(signature)
}

/// The list of the names of the signed headers. The names are in lower case and sorted, and each occurs once.
pub(super) struct SignedHeaders<'a>(&'a str);

impl<'a> SignedHeaders<'a> {
    fn parse(text: &'a str) -> Result<Self, IncompleteSignature> {
        let ascending = text.split(';').is_sorted_by(|one, next| one < next);
        if ascending && text.split(';').all(is_lower_case_token) {
            Ok(Self(text))
        } else {
            Err(IncompleteSignature::SignedHeaders)
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.split(';')
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names().any(|signed| signed == name)
    }

    /// Returns the list as received, for the canonical request.
    pub(super) fn as_str(&self) -> &'a str {
        self.0
    }
}

/// Returns whether `name` is a token (RFC 9110, section 5.6.2) without upper-case letters.
fn is_lower_case_token(name: &str) -> bool {
    let is_allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    !name.is_empty() && name.bytes().all(is_allowed)
}
