//! Steps 4 to 7 of a request: a document verified, a request admitted, bytes drawn and delivered. Whoever
//! does them, on whatever thread, needs nothing of the connection.

use std::sync::Arc;

use attestation::{Trust, Verifier};
use kms_api::Operation;
use zeroize::Zeroizing;

use super::error::Refusal;
use super::response::deliver;
use crate::audit::Recipient;
use crate::entropy::{Drawn, Entropy, Wanted};
use crate::key_store::KeyStores;
use crate::policy::{Admitted, Asker, AttestedRequest, NotAdmitted, PlainRequest, Policy};

/// What GenerateRandom takes.
#[derive(Debug)]
pub(crate) struct Generator<T: Trust> {
    pub(crate) verifier: Verifier<T>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) entropy: Entropy,
    pub(crate) key_stores: KeyStores,
}

/// The body of an answer, or why there is none.
pub(crate) type Outcome = Result<Zeroizing<Vec<u8>>, Refusal>;

impl<T: Trust> Generator<T> {
    /// Answers a request without a Recipient.
    pub(super) async fn plain(
        &self,
        asker: &Asker<'_>,
        request: PlainRequest,
        custom_key_store_id: Option<String>,
    ) -> Outcome {
        let admitted = self.policy.admit_plain(asker, request);
        self.deliver(admitted.map_err(|error| refuse(asker, error))?, custom_key_store_id).await
    }

    /// Answers a request with one. Beside the outcome, who could have read the answer, as soon as that
    /// is proven.
    pub(super) async fn attested(
        &self,
        asker: &Asker<'_>,
        request: AttestedRequest,
        custom_key_store_id: Option<String>,
    ) -> (Option<Recipient>, Outcome) {
        let rules = self.policy.document_rules();
        let proven = match request.verify(&self.verifier, asker.now, rules) {
            Ok(proven) => proven,
            Err(error) => return (None, Err(error.into())),
        };
        let recipient = Some(Recipient::of(&proven.claims()));
        let admitted = self.policy.admit_attested(asker, proven);
        let outcome = match admitted {
            Ok(admitted) => self.deliver(admitted, custom_key_store_id).await,
            Err(error) => Err(refuse(asker, error)),
        };
        (recipient, outcome)
    }

    /// Draws only now: no entropy for who is refused, who learns nothing either of which key stores
    /// there are.
    async fn deliver(&self, admitted: Admitted, custom_key_store_id: Option<String>) -> Outcome {
        let drawn = match custom_key_store_id {
            None => self.entropy.draw(admitted.wanted()).await?,
            Some(id) => self.draw_from_key_store(id, admitted.wanted()).await?,
        };
        Ok(deliver(admitted, drawn)?)
    }

    /// The random bytes are the HSM's, as they are. What they are sealed with is this service's own, and
    /// drawn only once they are there.
    async fn draw_from_key_store(&self, id: String, wanted: Wanted) -> Result<Drawn, Refusal> {
        let Some(store) = self.key_stores.find(&id) else {
            return Err(Refusal::CustomKeyStoreNotFound { name: id });
        };
        let random = store.draw(wanted.number_of_bytes).await;
        let random = random.map_err(|fault| Refusal::CustomKeyStore { id, fault })?;
        let encryption = match wanted.sealed {
            true => Some(self.entropy.draw_encryption().await?),
            false => None,
        };
        Ok(Drawn { random, encryption })
    }
}

fn refuse(asker: &Asker<'_>, error: NotAdmitted) -> Refusal {
    match error {
        NotAdmitted::Denied(denied) => Refusal::denied(asker, Operation::GenerateRandom, denied),
        NotAdmitted::RecipientKey(error) => Refusal::RecipientKey(error),
    }
}
