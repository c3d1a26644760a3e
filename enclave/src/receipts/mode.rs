//! The responses that have a receipt.

use serde::Deserialize;

/// The value of `[receipts] mode`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReceiptMode {
    /// The response to a request with a nonce has a receipt.
    #[default]
    OnRequest,
    /// Each successful response has a receipt. Without a nonce in the request, the nonce of the receipt is empty.
    Always,
    /// No response has a receipt. The service ignores nonces.
    Off,
}

impl ReceiptMode {
    /// Returns the value in the configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OnRequest => "on-request",
            Self::Always => "always",
            Self::Off => "off",
        }
    }
}
