//! The state of an upstream.

/// The health of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Not checked yet. It gets clients.
    Unknown,
    Ready,
    /// It gets no clients while another upstream can.
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

/// The policy that ends connections to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClosePolicy {
    /// Connections stay open.
    KeepOpen,
    /// Each connection ends once it is idle.
    WhenIdle,
    /// Like [`WhenIdle`](Self::WhenIdle), and awaited responses have a short time limit, because the upstream
    /// does not respond to health checks.
    WhenIdleOrNoResponse,
}

impl ClosePolicy {
    pub(super) fn when_idle_if(condition: bool) -> Self {
        if condition { Self::WhenIdle } else { Self::KeepOpen }
    }
}
