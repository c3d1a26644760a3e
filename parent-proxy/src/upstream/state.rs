//! The state of an upstream.

/// The health of an enclave, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Not known yet: it is tried.
    Unknown,
    Ready,
    /// It gets no client while another can.
    Ejected,
}

impl Health {
    const ALL: [Self; 3] = [Self::Unknown, Self::Ready, Self::Ejected];

    /// Returns the number that stands for this in an atomic.
    pub(super) fn to_u8(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Ready => 1,
            Self::Ejected => 2,
        }
    }

    /// Returns the state that `number` stands for.
    pub(super) fn from_u8(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Unknown)
    }
}

/// Whether connections to an upstream are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClosePolicy {
    /// They go on.
    KeepOpen,
    /// Each ends once it is quiet.
    WhenIdle,
    /// Likewise, and responses are not awaited for long: the upstream does not answer health checks.
    Unresponsive,
}

impl ClosePolicy {
    pub(super) fn when_idle_if(condition: bool) -> Self {
        if condition { Self::WhenIdle } else { Self::KeepOpen }
    }
}
