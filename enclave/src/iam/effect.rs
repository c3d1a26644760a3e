//! The effect of a statement.

use std::fmt::{self, Display, Formatter};

/// The effect of a statement on the requests that it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The statement allows these requests, unless another statement denies them.
    Allow,
    /// The statement denies these requests, even if other statements allow them.
    Deny,
}

impl Display for Effect {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        })
    }
}
