//! Steps 4 to 7 of a request: a document verified, a request authorized, bytes drawn and delivered. Whoever
//! does them, on whatever thread, needs nothing of the connection.

use std::sync::Arc;

use attestation::{Trust, Verifier};
use kms_api::Operation;
use zeroize::Zeroizing;

use super::error_mapping::ApiError;
use super::response::build_body;
use crate::audit::Recipient;
use crate::entropy::{Draw, DrawRequest, EntropySource};
use crate::key_store::KeyStores;
use crate::policy::{
    AttestedRequest, AuthContext, AuthorizationError, Authorized, PlainRequest, Policy,
};

/// What GenerateRandom takes.
#[derive(Debug)]
pub(crate) struct Handler<T: Trust> {
    pub(crate) verifier: Verifier<T>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) entropy: EntropySource,
    pub(crate) key_stores: KeyStores,
}

/// The body of an answer, or why there is none.
pub(crate) type HandlerResult = Result<Zeroizing<Vec<u8>>, ApiError>;

impl<T: Trust> Handler<T> {
    /// Answers a request without a Recipient.
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

    /// Answers a request with one. Beside the outcome, who could have read the answer, as soon as that
    /// is verified.
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

    /// Draws only now: no entropy for who is refused, who learns nothing either of which key stores
    /// there are.
    async fn draw_and_build(
        &self,
        authorized: Authorized,
        custom_key_store_id: Option<String>,
    ) -> HandlerResult {
        let drawn = match custom_key_store_id {
            None => self.entropy.draw(authorized.draw_request()).await?,
            Some(id) => self.draw_from_key_store(id, authorized.draw_request()).await?,
        };
        Ok(build_body(authorized, drawn)?)
    }

    /// The random bytes are the HSM's, as they are. What they are sealed with is this service's own, and
    /// drawn only once they are there.
    async fn draw_from_key_store(
        &self,
        id: String,
        request: DrawRequest,
    ) -> Result<Draw, ApiError> {
        let Some(store) = self.key_stores.find(&id) else {
            return Err(ApiError::CustomKeyStoreNotFound { name: id });
        };
        let random = store.draw(request.number_of_bytes).await;
        let random = random.map_err(|fault| ApiError::CustomKeyStore { id, fault })?;
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
