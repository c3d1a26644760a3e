//! DescribeCustomKeyStores:
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeCustomKeyStores.html>.

use serde::Serialize;

use super::custom_key_store::CustomKeyStoresListEntry;
use super::json::Object;
use super::violation::{InvalidRequest, check_number, check_string, reject_violations};

/// Maximum of the member Limit in the API's model.
const MAX_LIMIT: u16 = 1000;

/// Default of the member Limit. The API's reference specifies no default for this operation, and this default
/// for other lists.
const DEFAULT_LIMIT: u16 = 100;

/// A request for a list of custom key stores.
#[derive(Debug)]
pub struct DescribeCustomKeyStores {
    /// CustomKeyStoreId: 1 to 64 characters.
    pub custom_key_store_id: Option<String>,
    /// CustomKeyStoreName: 1 to 256 characters.
    pub custom_key_store_name: Option<String>,
    /// Limit or its default: 1 to 1,000 entries.
    pub limit: usize,
    /// Marker: 1 to 1,024 characters.
    pub marker: Option<String>,
}

impl DescribeCustomKeyStores {
    /// Parses a request's body.
    ///
    /// # Errors
    /// The first JSON error, or all values outside their limits.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRequest> {
        let mut body = Object::parse(body)?;
        let mut string = |member: &str| body.take(member).map(|json| json.into_string());
        let id = string("CustomKeyStoreId").transpose()?;
        let name = string("CustomKeyStoreName").transpose()?;
        let marker = string("Marker").transpose()?;
        let limit = body.take("Limit").map(|json| json.into_integer()).transpose()?;

        let mut violations = Vec::new();
        check_string(&mut violations, "customKeyStoreId", id.as_deref(), 64);
        check_string(&mut violations, "customKeyStoreName", name.as_deref(), 256);
        check_number(&mut violations, "limit", limit, MAX_LIMIT.into());
        check_string(&mut violations, "marker", marker.as_deref(), 1024);
        reject_violations(violations)?;
        if id.is_some() && name.is_some() {
            let members = ["CustomKeyStoreId", "CustomKeyStoreName"];
            return Err(InvalidRequest::MutuallyExclusive { members });
        }
        let limit = limit.and_then(|limit| u16::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT);
        Ok(Self {
            custom_key_store_id: id.map(Into::into),
            custom_key_store_name: name.map(Into::into),
            limit: limit.into(),
            marker: marker.map(Into::into),
        })
    }
}

/// A response with a part of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeCustomKeyStoresResponse<'a> {
    /// The key stores in this part of the list.
    pub custom_key_stores: Vec<CustomKeyStoresListEntry<'a>>,
    /// The Marker for the next part, or `None` if this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    /// True if further entries follow. Absent from an empty list, as in responses of KMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
}

impl<'a> DescribeCustomKeyStoresResponse<'a> {
    /// Creates a response with `stores`. Further entries follow if there is a marker.
    pub fn new(stores: Vec<CustomKeyStoresListEntry<'a>>, next_marker: Option<String>) -> Self {
        let truncated = (!stores.is_empty()).then_some(next_marker.is_some());
        Self { custom_key_stores: stores, next_marker, truncated }
    }

    /// Returns the response's body.
    ///
    /// # Errors
    /// The errors of `serde_json`, which do not occur for strings and numbers.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_members_and_checks_limits() {
        let body = br#"{"CustomKeyStoreId":"cks-1","Limit":1000,"Marker":"m"}"#;
        let request = DescribeCustomKeyStores::parse(body).unwrap();
        assert_eq!(request.custom_key_store_id.as_deref(), Some("cks-1"));
        assert_eq!((request.marker.as_deref(), request.limit), (Some("m"), 1000));
        assert_eq!(DescribeCustomKeyStores::parse(b"{}").unwrap().limit, 100);
        for (body, start) in [
            (r#"{"Limit":0}"#, "1 validation error detected: Value '0' at 'limit'"),
            (r#"{"Limit":1001}"#, "1 validation error detected: Value '1001' at 'limit'"),
            (r#"{"CustomKeyStoreName":""}"#, "1 validation error detected: Value '' at "),
            (
                r#"{"CustomKeyStoreName":"a","CustomKeyStoreId":"b"}"#,
                "CustomKeyStoreId and CustomKeyStoreName cannot both be given.",
            ),
        ] {
            let error = DescribeCustomKeyStores::parse(body.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(start), "{error}");
        }
    }
}
