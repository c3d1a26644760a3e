//! The only credential of these tests, and the policy of its principal.

pub(crate) const ARN: &str = "arn:aws:iam::123456789012:role/wallet";
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Allows every KMS operation.
pub(crate) const ALLOW: &str =
    r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;

/// Returns the configuration tables for one credential whose principal has the policy
/// `wallet.json`.
pub(crate) fn sigv4() -> String {
    format!(
        "[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n\
         [[credential]]\naccess_key_id = \"{ACCESS_KEY_ID}\"\nsecret_access_key = \"{SECRET}\"\n\
         principal = \"{ARN}\"\npolicies = [\"wallet.json\"]\n"
    )
}
