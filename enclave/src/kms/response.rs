//! The response to an authorized GenerateRandom request.

use attestation::cms::{SealError, seal_into, sealed_length};
use kms_api::GenerateRandomResponse;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy::{Draw, DrawRequest};
use crate::policy::{Authorized, ResponseForm};

/// A fault of the service that prevents the response to an authorized request.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum ResponseError {
    /// The drawn bytes do not match the needs of the response.
    #[error("drew {drawn} for a response that needs {needed}")]
    DrawMismatch {
        /// The number and the purpose of the drawn bytes.
        drawn: DrawRequest,
        /// The number and the purpose of the bytes that the response needs.
        needed: DrawRequest,
    },
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Builds the body of the response. For a request with a Recipient, seals the bytes to the recipient's key.
/// Otherwise, the body is plaintext. Consumes the authorized request and the drawn bytes, so no bytes are
/// returned twice.
///
/// # Errors
/// If sealing fails, or if `drawn` does not match the request.
pub(super) fn build_body(
    authorized: Authorized,
    drawn: Draw,
) -> Result<Zeroizing<Vec<u8>>, ResponseError> {
    let (drawn_request, needed) = (drawn.request(), authorized.draw_request());
    if drawn_request != needed {
        return Err(ResponseError::DrawMismatch { drawn: drawn_request, needed });
    }
    let Draw { random, encryption } = drawn;
    let response = match (authorized.into_response_form(), encryption) {
        (ResponseForm::CiphertextForRecipient(recipient), Some(encryption)) => {
            let random = random.expose();
            let length = sealed_length(&recipient, random.len())?;
            GenerateRandomResponse::ciphertext_for_recipient(length, |envelope| {
                seal_into(&recipient, random, encryption, envelope)
            })?
        }
        (ResponseForm::Plaintext, None) => GenerateRandomResponse::plaintext(random.expose()),
        // The comparison above excludes these cases.
        (ResponseForm::CiphertextForRecipient(_), None) | (ResponseForm::Plaintext, Some(_)) => {
            return Err(ResponseError::DrawMismatch { drawn: drawn_request, needed });
        }
    };
    Ok(Zeroizing::new(response))
}

#[cfg(test)]
mod tests {
    use attestation::cms::ContentEncryption;
    use attestation::crypto::CryptoError;
    use attestation::time::UnixMillis;
    use kms_api::GenerateRandom;

    use super::*;
    use crate::auth::Caller;
    use crate::entropy::RandomBytes;
    use crate::policy::{AuthContext, Plaintext, Policy, RecipientPolicy, Request};
    use crate::request::TransportSecurity;

    /// Returns an authorized request for three bytes of plaintext.
    fn authorized() -> Authorized {
        let parsed = GenerateRandom::parse(br#"{"NumberOfBytes":3}"#).unwrap();
        let (Request::Plain(request), None) = Request::new(parsed).unwrap() else {
            panic!("expected a request without Recipient and key store");
        };
        let plaintext = Plaintext::Always;
        let policy = Policy::new(RecipientPolicy { plaintext, ..RecipientPolicy::default() });
        let (caller, now) = (Caller::unauthenticated(), UnixMillis::new(0));
        let context = AuthContext {
            caller: &caller,
            now,
            transport_security: TransportSecurity::NoTls,
            client_addr: None,
        };
        policy.authorize_plain(&context, request).unwrap()
    }

    #[test]
    fn rejects_a_draw_that_differs_from_the_request() {
        let build_body = |number_of_bytes: usize, sealed: bool| {
            let random = RandomBytes::new(Zeroizing::new(vec![0; number_of_bytes]));
            let draw = || ContentEncryption::draw(|_| Ok::<_, CryptoError>(())).unwrap();
            build_body(authorized(), Draw { random, encryption: sealed.then(draw) })
        };
        assert_eq!(*build_body(3, false).unwrap(), br#"{"Plaintext":"AAAA"}"#);
        let needed = DrawRequest { number_of_bytes: 3, sealed: false };
        for (number_of_bytes, sealed) in [(0, false), (2, false), (4, false), (3, true)] {
            let drawn = DrawRequest { number_of_bytes, sealed };
            let error = ResponseError::DrawMismatch { drawn, needed };
            assert_eq!(build_body(number_of_bytes, sealed), Err(error));
        }
    }
}
