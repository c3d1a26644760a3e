//! The operation DescribeCustomKeyStores.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kms_api::{DescribeCustomKeyStores, DescribeCustomKeyStoresResponse, Operation};
use zeroize::Zeroizing;

use super::api_error::ApiError;
use super::handler::{HandlerResult, Success};
use crate::key_store::KeyStore;
use crate::policy::{AuthContext, Policy};
use crate::receipts::ReceiptFacts;

/// Handles a request. Returns the response with the entries of the selected `stores`.
pub(super) fn handle(
    policy: &Policy,
    stores: &[KeyStore],
    context: &AuthContext<'_>,
    body: &[u8],
) -> HandlerResult {
    let request = DescribeCustomKeyStores::parse(body)?;
    let denied = |denied| ApiError::denied(context, Operation::DescribeCustomKeyStores, denied);
    policy.authorize_describe(context).map_err(denied)?;
    let body = Zeroizing::new(list(stores, request)?.to_json()?);
    Ok(Success { body, facts: ReceiptFacts::DescribeCustomKeyStores })
}

/// Returns the entries of the `stores` that the request selects.
fn list(
    stores: &[KeyStore],
    request: DescribeCustomKeyStores,
) -> Result<DescribeCustomKeyStoresResponse<'_>, ApiError> {
    let DescribeCustomKeyStores { custom_key_store_id, custom_key_store_name, limit, marker } =
        request;
    let named = match (custom_key_store_id, custom_key_store_name) {
        (Some(id), _) => Some((stores.iter().position(|store| store.id() == id), id)),
        (None, Some(name)) => Some((stores.iter().position(|store| store.name() == name), name)),
        (None, None) => None,
    };
    let stores = match named {
        None => stores,
        Some((Some(at), _)) => stores.get(at..=at).unwrap_or_default(),
        Some((None, name)) => return Err(ApiError::CustomKeyStoreNotFound { name }),
    };
    let rest = match marker {
        None => stores,
        Some(marker) => stores_after(stores, &marker).ok_or(ApiError::InvalidMarker)?,
    };
    let part = rest.get(..limit).unwrap_or(rest);
    let next_marker = match part.last() {
        Some(last) if part.len() < rest.len() => Some(marker_for(last)),
        _ => None,
    };
    let entries = part.iter().map(KeyStore::entry).collect();
    Ok(DescribeCustomKeyStoresResponse::new(entries, next_marker))
}

/// Returns the marker for the stores after `store`. The marker depends only on `store`, so another enclave
/// with the same configuration accepts the marker. The marker is not secret.
fn marker_for(store: &KeyStore) -> String {
    URL_SAFE_NO_PAD.encode(store.id())
}

/// Returns the stores after the store that `marker` names. Returns `None` if no store has this marker, or if
/// there are no stores after it.
fn stores_after<'a>(stores: &'a [KeyStore], marker: &str) -> Option<&'a [KeyStore]> {
    let last = stores.iter().position(|store| marker_for(store) == marker)?;
    stores.get(last + 1..).filter(|rest| !rest.is_empty())
}
