//! DescribeCustomKeyStores: this service has none yet.

use shared::kms::{DescribeCustomKeyStores, NO_CUSTOM_KEY_STORES, Operation};
use zeroize::Zeroizing;

use super::Call;
use super::error::Refusal;
use crate::policy::Policy;

pub(super) fn perform(policy: &Policy, call: &Call<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let request = DescribeCustomKeyStores::parse(call.body)?;
    policy
        .admit_describe(&call.asker)
        .map_err(|denied| call.denied(Operation::DescribeCustomKeyStores, denied))?;
    // Whoever names one names one that does not exist; and no list was ever cut by a marker.
    if let Some(id) = request.custom_key_store_id {
        return Err(Refusal::CustomKeyStoreNotFound { id });
    }
    if let Some(name) = request.custom_key_store_name {
        return Err(Refusal::CustomKeyStoreNotFound { id: name });
    }
    if request.marker.is_some() {
        return Err(Refusal::InvalidMarker);
    }
    Ok(Zeroizing::new(NO_CUSTOM_KEY_STORES.to_vec()))
}
