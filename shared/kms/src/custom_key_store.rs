//! A custom key store in responses of the API:
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_CustomKeyStoresListEntry.html>.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// An entry of the list of custom key stores.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CustomKeyStoresListEntry<'a> {
    /// The identifier.
    pub custom_key_store_id: &'a str,
    /// The name.
    pub custom_key_store_name: &'a str,
    /// The type.
    pub custom_key_store_type: CustomKeyStoreType,
    /// The identifier of the cluster. CloudHSM key stores only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_hsm_cluster_id: Option<&'a str>,
    /// The certificate that signed the cluster's certificates, in PEM. CloudHSM key stores only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_anchor_certificate: Option<&'a str>,
    /// The state of the connection.
    pub connection_state: ConnectionState,
    /// The reason of the state FAILED. Absent in other states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_error_code: Option<ConnectionErrorCode>,
    /// The time of creation.
    pub creation_date: CreationDate,
    /// The proxy. External key stores only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xks_proxy_configuration: Option<XksProxyConfiguration<'a>>,
}

/// The type of a custom key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CustomKeyStoreType {
    /// A CloudHSM cluster, or another HSM with PKCS#11.
    AwsCloudhsm,
    /// A key manager outside AWS.
    ExternalKeyStore,
}

/// The state of the connection to a key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// The key store can be used.
    Connected,
    /// The connection is not established yet.
    Connecting,
    /// The connection failed. An operator must correct the cause.
    Failed,
    /// The key store is not connected.
    Disconnected,
}

impl ConnectionState {
    /// All states.
    pub const ALL: [Self; 4] =
        [Self::Connected, Self::Connecting, Self::Failed, Self::Disconnected];

    /// Returns the state's name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Connecting => "CONNECTING",
            Self::Failed => "FAILED",
            Self::Disconnected => "DISCONNECTED",
        }
    }
}

impl Serialize for ConnectionState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The reason of a failed connection. The enum has only those codes of the API that apply to HSMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionErrorCode {
    /// The PIN is wrong or has expired.
    InvalidCredentials,
    /// The token does not exist.
    ClusterNotFound,
    /// The HSM is not reachable or does not respond.
    NetworkErrors,
    /// Another error.
    InternalError,
    /// The PIN is locked after too many wrong attempts.
    UserLockedOut,
    /// The token has no user.
    UserNotFound,
    /// Another user is logged in.
    UserLoggedIn,
}

impl ConnectionErrorCode {
    /// Returns the code's name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::ClusterNotFound => "CLUSTER_NOT_FOUND",
            Self::NetworkErrors => "NETWORK_ERRORS",
            Self::InternalError => "INTERNAL_ERROR",
            Self::UserLockedOut => "USER_LOCKED_OUT",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::UserLoggedIn => "USER_LOGGED_IN",
        }
    }
}

impl Serialize for ConnectionErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The proxy of an external key store.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct XksProxyConfiguration<'a> {
    /// The connectivity.
    pub connectivity: XksProxyConnectivity,
    /// The URL of the proxy's host, which begins with `https://`.
    pub uri_endpoint: &'a str,
    /// The path, which ends in `/kms/xks/v1` or a later version.
    pub uri_path: &'a str,
}

/// The connectivity of a proxy.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum XksProxyConnectivity {
    /// A public endpoint.
    PublicEndpoint,
}

/// A time in milliseconds since 1970. The time is serialized as a number of seconds with a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreationDate(pub u64);

impl Serialize for CreationDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(Duration::from_millis(self.0).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DescribeCustomKeyStoresResponse;

    fn entry(connection_state: ConnectionState) -> CustomKeyStoresListEntry<'static> {
        CustomKeyStoresListEntry {
            custom_key_store_id: "cks-1",
            custom_key_store_name: "a",
            custom_key_store_type: CustomKeyStoreType::AwsCloudhsm,
            cloud_hsm_cluster_id: None,
            trust_anchor_certificate: None,
            connection_state,
            connection_error_code: None,
            creation_date: CreationDate(1_499_288_695_918),
            xks_proxy_configuration: None,
        }
    }

    fn json(response: &DescribeCustomKeyStoresResponse<'_>) -> String {
        String::from_utf8(response.to_json().unwrap()).unwrap()
    }

    #[test]
    fn serializes_empty_list_as_kms_does() {
        let none = DescribeCustomKeyStoresResponse::new(Vec::new(), None);
        assert_eq!(json(&none), r#"{"CustomKeyStores":[]}"#);
    }

    #[test]
    fn omits_absent_members() {
        let bare = entry(ConnectionState::Connected);
        let failed = CustomKeyStoresListEntry {
            cloud_hsm_cluster_id: Some("cluster-1"),
            trust_anchor_certificate: Some("PEM"),
            connection_error_code: Some(ConnectionErrorCode::UserLockedOut),
            ..entry(ConnectionState::Failed)
        };
        let external = CustomKeyStoresListEntry {
            custom_key_store_type: CustomKeyStoreType::ExternalKeyStore,
            xks_proxy_configuration: Some(XksProxyConfiguration {
                connectivity: XksProxyConnectivity::PublicEndpoint,
                uri_endpoint: "https://a",
                uri_path: "/kms/xks/v1",
            }),
            ..entry(ConnectionState::Disconnected)
        };
        let stores = vec![bare, failed, external];
        let response = DescribeCustomKeyStoresResponse::new(stores, Some("m".to_owned()));
        assert_eq!(
            json(&response),
            concat!(
                r#"{"CustomKeyStores":[{"CustomKeyStoreId":"cks-1","CustomKeyStoreName":"a","#,
                r#""CustomKeyStoreType":"AWS_CLOUDHSM","ConnectionState":"CONNECTED","#,
                r#""CreationDate":1499288695.918},{"CustomKeyStoreId":"cks-1","#,
                r#""CustomKeyStoreName":"a","CustomKeyStoreType":"AWS_CLOUDHSM","#,
                r#""CloudHsmClusterId":"cluster-1","TrustAnchorCertificate":"PEM","#,
                r#""ConnectionState":"FAILED","ConnectionErrorCode":"USER_LOCKED_OUT","#,
                r#""CreationDate":1499288695.918},{"CustomKeyStoreId":"cks-1","#,
                r#""CustomKeyStoreName":"a","CustomKeyStoreType":"EXTERNAL_KEY_STORE","#,
                r#""ConnectionState":"DISCONNECTED","CreationDate":1499288695.918,"#,
                r#""XksProxyConfiguration":{"Connectivity":"PUBLIC_ENDPOINT","#,
                r#""UriEndpoint":"https://a","UriPath":"/kms/xks/v1"}}],"#,
                r#""NextMarker":"m","Truncated":true}"#
            )
        );
    }
}
