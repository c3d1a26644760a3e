//! Who calls.

/// Somebody whom credentials prove, and to whom policies are attached.
#[derive(Debug)]
pub struct Principal {
    arn: String,
}

impl Principal {
    /// The principal that `arn` names.
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into() }
    }

    /// Its ARN, such as `arn:aws:iam::123456789012:role/wallet`.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}
