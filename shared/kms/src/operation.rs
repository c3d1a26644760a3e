//! The operations of the API, and the header that selects one.

/// The media type of requests and responses.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The header that contains the operation's name.
pub const TARGET_HEADER: &str = "x-amz-target";

/// The prefix of `X-Amz-Target`: the service's name.
const TARGET_PREFIX: &str = "TrentService.";

/// An operation of this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// GenerateRandom.
    GenerateRandom,
    /// DescribeCustomKeyStores.
    DescribeCustomKeyStores,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 2] = [Self::GenerateRandom, Self::DescribeCustomKeyStores];

    /// Returns the operation's name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GenerateRandom => "GenerateRandom",
            Self::DescribeCustomKeyStores => "DescribeCustomKeyStores",
        }
    }

    /// Parses the value of `X-Amz-Target`, such as `TrentService.GenerateRandom`. Returns `None` for other
    /// texts.
    pub fn from_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix(TARGET_PREFIX)?;
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_the_targets_it_serves() {
        let target = Operation::from_target;
        assert_eq!(target("TrentService.GenerateRandom"), Some(Operation::GenerateRandom));
        for unknown in ["", "GenerateRandom", "TrentService.", "trentservice.GenerateRandom"] {
            assert_eq!(target(unknown), None);
        }
    }
}
