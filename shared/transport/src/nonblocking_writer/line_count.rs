//! Numbers of primary and secondary lines.

/// A number of primary and secondary lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineCount {
    pub(super) all: usize,
    /// The number of secondary lines in `all`.
    secondary: usize,
}

impl LineCount {
    pub(super) fn one(is_secondary: bool) -> Self {
        Self { all: 1, secondary: usize::from(is_secondary) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { all: self.all + other.all, secondary: self.secondary + other.secondary }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_sub(other.all),
            secondary: self.secondary.saturating_sub(other.secondary),
        }
    }

    pub(super) fn primary(self) -> usize {
        self.all.saturating_sub(self.secondary)
    }
}
