//! Steps 4 to 7 of a request: verifies the document, authorizes the request, draws the bytes and builds the response.
//! These steps do not use the connection, so they can run on any thread.

use std::sync::Arc;

use attestation::cms::ContentEncryption;
use attestation::{Trust, Verifier};
use kms_api::Operation;
use zeroize::Zeroizing;

use super::api_error::ApiError;
use super::response::build_body;
use crate::audit::Recipient;
use crate::entropy::{Draw, DrawRequest, EntropySource};
use crate::key_store::KeyStores;
use crate::policy::{
    AttestedRequest, AuthContext, AuthorizationError, Authorized, PlainRequest, Policy,
};
use crate::receipts::ReceiptFacts;

/// The handler of GenerateRandom.
#[derive(Debug)]
pub(crate) struct Handler<T: Trust> {
    pub(crate) verifier: Verifier<T>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) entropy: EntropySource,
    pub(crate) key_stores: KeyStores,
}

/// The body of a successful response, with the facts for its receipt.
#[derive(Debug)]
pub(crate) struct Success {
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) facts: ReceiptFacts,
}

/// The successful response, or the error.
pub(crate) type HandlerResult = Result<Success, ApiError>;

impl<T: Trust> Handler<T> {
    /// Handles a request without a Recipient.
    pub(super) async fn handle_plain(
        &self,
        context: &AuthContext<'_>,
        request: PlainRequest,
        custom_key_store_id: Option<String>,
    ) -> HandlerResult {
        let authorized = self.policy.authorize_plain(context, request);
        self.draw_and_build(
            authorized.map_err(|error| authorization_error(context, error))?,
            custom_key_store_id,
        )
        .await
    }

    /// Handles a request with a Recipient. Returns the result, and the recipient if the document was verified.
    pub(super) async fn handle_attested(
        &self,
        context: &AuthContext<'_>,
        request: AttestedRequest,
        custom_key_store_id: Option<String>,
    ) -> (Option<Recipient>, HandlerResult) {
        let rules = self.policy.document_rules();
        let verified = match request.verify(&self.verifier, context.now, rules) {
            Ok(verified) => verified,
            Err(error) => return (None, Err(error.into())),
        };
        let recipient = Some(Recipient::from_claims(&verified.claims()));
        let authorized = self.policy.authorize_attested(context, verified);
        let outcome = match authorized {
            Ok(authorized) => self.draw_and_build(authorized, custom_key_store_id).await,
            Err(error) => Err(authorization_error(context, error)),
        };
        (recipient, outcome)
    }

    /// Draws the bytes, and builds the body of the response. The request is already authorized. Callers without
    /// authorization therefore consume no entropy, and do not learn which key stores exist.
    async fn draw_and_build(
        &self,
        authorized: Authorized,
        custom_key_store_id: Option<String>,
    ) -> HandlerResult {
        let drawn = match &custom_key_store_id {
            None => self.entropy.draw(authorized.draw_request()).await?,
            Some(id) => self.draw_from_key_store(id, authorized.draw_request()).await?,
        };
        let content_key_digest =
            drawn.encryption.as_ref().map(ContentEncryption::content_key_digest);
        let body = build_body(authorized, drawn)?;
        let facts = ReceiptFacts::GenerateRandom { content_key_digest, custom_key_store_id };
        Ok(Success { body, facts })
    }

    /// Draws random bytes from an HSM, and returns the bytes unchanged. For a sealed response, also draws the content
    /// encryption key from the entropy source of this service, after the HSM has returned the bytes.
    async fn draw_from_key_store(&self, id: &str, request: DrawRequest) -> Result<Draw, ApiError> {
        let Some(store) = self.key_stores.find(id) else {
            return Err(ApiError::CustomKeyStoreNotFound { name: id.to_owned() });
        };
        let random = store.draw(request.number_of_bytes).await;
        let random =
            random.map_err(|fault| ApiError::CustomKeyStore { id: id.to_owned(), fault })?;
        let encryption = match request.sealed {
            true => Some(self.entropy.draw_encryption().await?),
            false => None,
        };
        Ok(Draw { random, encryption })
    }
}

fn authorization_error(context: &AuthContext<'_>, error: AuthorizationError) -> ApiError {
    match error {
        AuthorizationError::Denied(denied) => {
            ApiError::denied(context, Operation::GenerateRandom, denied)
        }
        AuthorizationError::RecipientKey(error) => ApiError::RecipientKey(error),
    }
}
