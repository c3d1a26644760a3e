//! The state of an upstream.

/// The health of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// The upstream is not checked yet. It gets clients.
    Unknown,
    Ready,
    /// The relay tries the upstream for a client only after every upstream that is not ejected has failed.
    Ejected,
}

impl Health {
    const ALL: [Self; 3] = [Self::Unknown, Self::Ready, Self::Ejected];

    /// Returns the number that represents this state in an atomic.
    pub(super) fn to_u8(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Ready => 1,
            Self::Ejected => 2,
        }
    }

    /// Returns the state that `number` represents.
    pub(super) fn from_u8(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Unknown)
    }
}

/// The policy by which connections to an upstream end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClosePolicy {
    /// Connections stay open.
    KeepOpen,
    /// A connection ends once it is idle.
    WhenIdle,
    /// A connection ends once it is idle, or if an awaited response does not arrive within a short time
    /// limit. This policy is for an upstream that does not respond to health checks.
    WhenIdleOrNoResponse,
}

impl ClosePolicy {
    pub(super) fn when_idle_if(condition: bool) -> Self {
        if condition { Self::WhenIdle } else { Self::KeepOpen }
    }
}
