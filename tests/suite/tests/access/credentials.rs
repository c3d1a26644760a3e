//! The one credential of these tests, and what its principal may do.

pub(crate) const ARN: &str = "arn:aws:iam::123456789012:role/wallet";
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Allows all that there is.
pub(crate) const ALLOW: &str =
    r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;

/// The tables for one credential whose principal has `wallet.json`.
pub(crate) fn sigv4() -> String {
    format!(
        "[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n\
         [[credential]]\naccess_key_id = \"{ACCESS_KEY_ID}\"\nsecret_access_key = \"{SECRET}\"\n\
         principal = \"{ARN}\"\npolicies = [\"wallet.json\"]\n"
    )
}
