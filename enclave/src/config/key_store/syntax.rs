//! The syntax of the identifiers in a `[[key_store]]`.

use crate::key_store::XksProxy;

/// Returns whether `id` is a custom key store ID: `cks-` and 1 to 60 letters, digits or hyphens. In the IDs that AWS
/// generates, 17 hexadecimal digits follow `cks-`.
pub(super) fn is_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    id.strip_prefix("cks-")
        .is_some_and(|rest| (1..=60).contains(&rest.len()) && rest.bytes().all(is_allowed))
}

/// Returns whether `name` is the name of a POSIX environment variable.
///
/// The name is published. An operator may write the PIN itself instead of a name. Most PINs are not valid names, so
/// this check rejects them before they are published.
pub(super) fn is_variable(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_allowed) && name.starts_with(|first: char| !first.is_ascii_digit())
}

/// Returns whether `id` is a cluster ID: `cluster-` and 11 to 16 letters or digits. The limits are
/// those of `CloudHsmClusterIdType` in the KMS API model.
pub(super) fn is_cluster_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric();
    id.strip_prefix("cluster-")
        .is_some_and(|rest| (11..=16).contains(&rest.len()) && rest.bytes().all(is_allowed))
}

/// Parses `uri` by XksProxyUriEndpointType and XksProxyUriPathType of the KMS API model.
pub(super) fn proxy(uri: &str) -> Option<XksProxy> {
    let host = uri.strip_prefix("https://")?;
    let host_length = host.find('/')?;
    let (endpoint, path) = uri.split_at_checked("https://".len() + host_length)?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    let (before, version) = path.rsplit_once("/kms/xks/v")?;
    let fits = (10..=128).contains(&endpoint.len())
        && host.bytes().take(host_length).all(is_host)
        && path.len() <= 128
        && before.bytes().all(is_path)
        // The prefix must not be an empty path segment.
        && before != "/"
        && (1..=2).contains(&version.len())
        && version.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| XksProxy { endpoint: endpoint.to_owned(), path: path.to_owned() })
}
