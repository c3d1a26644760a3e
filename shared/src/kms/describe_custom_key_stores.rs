//! DescribeCustomKeyStores:
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeCustomKeyStores.html>.

use super::json::Object;
use super::violation::{RequestError, check_number, check_string, none_of};

/// The answer of a service without custom key stores.
pub const NO_CUSTOM_KEY_STORES: &[u8] = br#"{"CustomKeyStores":[]}"#;

/// A request: which key stores to list.
#[derive(Debug)]
pub struct DescribeCustomKeyStores {
    /// CustomKeyStoreId; 1 to 64 characters.
    pub custom_key_store_id: Option<String>,
    /// CustomKeyStoreName; 1 to 256 characters.
    pub custom_key_store_name: Option<String>,
    /// Marker; 1 to 1,024 characters.
    pub marker: Option<String>,
}

impl DescribeCustomKeyStores {
    /// Reads a request's body.
    ///
    /// # Errors
    /// The first thing that is not JSON of the right shape; else all values out of their limits.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let mut body = Object::parse(body)?;
        let mut string = |member: &str| body.take(member).map(|json| json.into_string());
        let id = string("CustomKeyStoreId").transpose()?;
        let name = string("CustomKeyStoreName").transpose()?;
        let marker = string("Marker").transpose()?;
        let limit = body.take("Limit").map(|json| json.into_integer()).transpose()?;

        let mut violations = Vec::new();
        check_string(&mut violations, "customKeyStoreId", id.as_deref(), 64);
        check_string(&mut violations, "customKeyStoreName", name.as_deref(), 256);
        check_number(&mut violations, "limit", limit, 1000);
        check_string(&mut violations, "marker", marker.as_deref(), 1024);
        none_of(violations)?;
        Ok(Self {
            custom_key_store_id: id.map(Into::into),
            custom_key_store_name: name.map(Into::into),
            marker: marker.map(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_members_and_checks_their_limits() {
        let body = br#"{"CustomKeyStoreId":"cks-1","Limit":1000,"Marker":"m"}"#;
        let request = DescribeCustomKeyStores::parse(body).unwrap();
        assert_eq!(request.custom_key_store_id.as_deref(), Some("cks-1"));
        assert_eq!(request.marker.as_deref(), Some("m"));
        for (body, start) in [
            (r#"{"Limit":0}"#, "1 validation error detected: Value '0' at 'limit'"),
            (r#"{"Limit":1001}"#, "1 validation error detected: Value '1001' at 'limit'"),
            (r#"{"CustomKeyStoreName":""}"#, "1 validation error detected: Value '' at "),
        ] {
            let error = DescribeCustomKeyStores::parse(body.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(start), "{error}");
        }
    }
}
