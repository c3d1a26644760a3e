//! Positions in a document's chain.

use std::fmt;

/// The position of a certificate in a document's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainPosition {
    /// `cabundle[index]`; 0 is the root.
    Cabundle(usize),
    /// The field `certificate`: the leaf, whose key signs the document.
    Leaf,
}

impl fmt::Display for ChainPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cabundle(index) => write!(formatter, "cabundle[{index}]"),
            Self::Leaf => formatter.write_str("the leaf certificate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UntrustedDocument;

    #[test]
    fn displays_position_of_certificate() {
        let message = |certificate| UntrustedDocument::NotCa { certificate }.to_string();
        let rest = "is not a CA (critical basicConstraints with CA true)";
        assert_eq!(message(ChainPosition::Cabundle(2)), format!("cabundle[2] {rest}"));
        assert_eq!(message(ChainPosition::Leaf), format!("the leaf certificate {rest}"));
    }
}
