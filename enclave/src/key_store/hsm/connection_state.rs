//! The state machine of a store's connection, without threads, clock or PKCS#11.
//!
//! | State | Event | Next state |
//! |---|---|---|
//! | `Connecting`, `Connected`, `Failed` | `Connected` | `Connected`, over the new connection |
//! | `Connecting`, `Connected`, `Failed` | `AttemptFailed` | `Failed`, or `Latched` if the fault is final |
//! | `Connected` | `ConnectionLost`, of this connection | `Failed`, or `Latched` if the fault is final |
//! | `Connecting`, `Connected`, `Failed` | `ConnectionLost`, of an earlier connection | `Latched` if the fault is final, else unchanged |
//! | `Connecting`, `Connected`, `Failed` | `ThreadPanicked` | `Latched` |
//! | `Latched` | any | unchanged |
//!
//! Two conditions of a store are not states of this machine:
//!
//! - A call that does not return causes no event, because its thread cannot report an event. Instead, each
//!   reader of the status also reads the call tracker. [`State::status`] returns the fault of the call
//!   tracker for as long as the call lasts.
//! - A closed store keeps its state. The threads of a closed store end in every state.

use super::super::fault::HsmFault;
use super::token_registry::TokenLocation;

/// A connection to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// Number of the connection, counted from 1. A late report that an earlier connection was lost contains
    /// another number, so this connection does not end.
    pub(super) number: u64,
    /// Location of the token, which can differ between connections.
    pub(super) location: TokenLocation,
}

/// The state of a store's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The store is in its first attempt to connect.
    Connecting,
    /// The store answers requests over this connection.
    Connected(Connection),
    /// The last attempt failed, or the last connection ended. The connection manager tries again.
    Failed(HsmFault),
    /// The store failed until a restart.
    Latched(HsmFault),
}

/// An event that a thread of the store reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An attempt to connect succeeded.
    Connected(Connection),
    /// An attempt to connect failed.
    AttemptFailed(HsmFault),
    /// A thread found that this connection has ended.
    ConnectionLost(Connection, HsmFault),
    /// A thread of the store panicked.
    ThreadPanicked,
}

/// The state of a store as requests and the API see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The store is in its first attempt to connect.
    Connecting,
    /// The store answers requests.
    Connected,
    /// The store rejects requests.
    Failed(HsmFault),
}

impl State {
    /// Returns the state after `event`, or `None` if the event is ignored.
    pub(super) fn next(&self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Latched(_), _) => None,
            (_, Event::Connected(connection)) => Some(Self::Connected(connection)),
            (_, Event::AttemptFailed(fault)) => Some(Self::failed(fault)),
            (_, Event::ThreadPanicked) => Some(Self::failed(HsmFault::ThreadPanicked)),
            (_, Event::ConnectionLost(lost, fault)) => {
                (self.is_current(lost) || fault.is_final()).then(|| Self::failed(fault))
            }
        }
    }

    fn failed(fault: HsmFault) -> Self {
        if fault.is_final() { Self::Latched(fault) } else { Self::Failed(fault) }
    }

    /// Returns the connection over which the store answers requests, if there is one.
    pub(super) fn connection(&self) -> Option<Connection> {
        match self {
            Self::Connected(connection) => Some(*connection),
            Self::Connecting | Self::Failed(_) | Self::Latched(_) => None,
        }
    }

    /// Returns true if the store answers requests over `connection`.
    pub(super) fn is_current(&self, connection: Connection) -> bool {
        self.connection() == Some(connection)
    }

    /// Returns the fault of the last attempt to connect or of the last connection, if there is one.
    pub(super) fn fault(&self) -> Option<&HsmFault> {
        match self {
            Self::Failed(fault) | Self::Latched(fault) => Some(fault),
            Self::Connecting | Self::Connected(_) => None,
        }
    }

    /// Returns true if only a restart ends this state.
    pub(super) fn is_latched(&self) -> bool {
        matches!(self, Self::Latched(_))
    }

    /// Returns the status of the store. `stuck` is the fault of calls that do not return, if there are such
    /// calls.
    ///
    /// The fault `stuck` hides every state except `Latched`. It also hides the fault of `Failed`, because
    /// the stuck call belongs to a later attempt to connect.
    pub(super) fn status(&self, stuck: Option<HsmFault>) -> Status {
        match (self, stuck) {
            (Self::Latched(fault), _) => Status::Failed(fault.clone()),
            (_, Some(stuck)) => Status::Failed(stuck),
            (Self::Failed(fault), None) => Status::Failed(fault.clone()),
            (Self::Connecting, None) => Status::Connecting,
            (Self::Connected(_), None) => Status::Connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::HealthFault;

    const FINAL: HsmFault = HsmFault::Unhealthy(HealthFault::RepetitionCount);
    const TRANSIENT: HsmFault = HsmFault::AmbiguousLabel;
    const STUCK: HsmFault = HsmFault::Stuck { limit: Duration::ZERO };

    const EARLIER: Connection = connection(1);
    const CURRENT: Connection = connection(2);
    const LATER: Connection = connection(3);

    const CONNECTING: State = State::Connecting;
    const CONNECTED: State = State::Connected(CURRENT);
    const FAILED: State = State::Failed(HsmFault::ConnectionLost);
    const LATCHED: State = State::Latched(HsmFault::ThreadPanicked);

    const fn connection(number: u64) -> Connection {
        Connection { number, location: TokenLocation { slot: 7, initializations: 1 } }
    }

    #[test]
    fn connecting_becomes_connected() {
        assert_eq!(CONNECTING.next(Event::Connected(CURRENT)), Some(CONNECTED));
    }

    #[test]
    fn connecting_fails_with_its_attempt() {
        let next = CONNECTING.next(Event::AttemptFailed(TRANSIENT));
        assert_eq!(next, Some(State::Failed(TRANSIENT)));
    }

    #[test]
    fn connecting_latches_on_final_fault_of_its_attempt() {
        assert_eq!(CONNECTING.next(Event::AttemptFailed(FINAL)), Some(State::Latched(FINAL)));
    }

    #[test]
    fn connecting_latches_on_panic() {
        assert_eq!(CONNECTING.next(Event::ThreadPanicked), Some(LATCHED));
    }

    #[test]
    fn connecting_ignores_loss_of_a_connection() {
        assert_eq!(CONNECTING.next(Event::ConnectionLost(EARLIER, TRANSIENT)), None);
    }

    #[test]
    fn connected_fails_with_its_connection() {
        let next = CONNECTED.next(Event::ConnectionLost(CURRENT, TRANSIENT));
        assert_eq!(next, Some(State::Failed(TRANSIENT)));
    }

    #[test]
    fn connected_latches_on_final_fault_of_its_connection() {
        let next = CONNECTED.next(Event::ConnectionLost(CURRENT, FINAL));
        assert_eq!(next, Some(State::Latched(FINAL)));
    }

    #[test]
    fn connected_ignores_loss_of_an_earlier_connection() {
        assert_eq!(CONNECTED.next(Event::ConnectionLost(EARLIER, TRANSIENT)), None);
    }

    #[test]
    fn connected_latches_on_final_fault_of_an_earlier_connection() {
        let next = CONNECTED.next(Event::ConnectionLost(EARLIER, FINAL));
        assert_eq!(next, Some(State::Latched(FINAL)));
    }

    #[test]
    fn connected_latches_on_panic() {
        assert_eq!(CONNECTED.next(Event::ThreadPanicked), Some(LATCHED));
    }

    #[test]
    fn failed_becomes_connected_again() {
        assert_eq!(FAILED.next(Event::Connected(LATER)), Some(State::Connected(LATER)));
    }

    #[test]
    fn failed_takes_the_fault_of_the_next_attempt() {
        let next = FAILED.next(Event::AttemptFailed(TRANSIENT));
        assert_eq!(next, Some(State::Failed(TRANSIENT)));
    }

    #[test]
    fn failed_latches_on_final_fault_of_the_next_attempt() {
        assert_eq!(FAILED.next(Event::AttemptFailed(FINAL)), Some(State::Latched(FINAL)));
    }

    #[test]
    fn failed_ignores_second_loss_of_the_same_connection() {
        assert_eq!(FAILED.next(Event::ConnectionLost(CURRENT, TRANSIENT)), None);
    }

    #[test]
    fn failed_latches_on_final_fault_of_the_lost_connection() {
        let next = FAILED.next(Event::ConnectionLost(CURRENT, FINAL));
        assert_eq!(next, Some(State::Latched(FINAL)));
    }

    #[test]
    fn failed_latches_on_panic() {
        assert_eq!(FAILED.next(Event::ThreadPanicked), Some(LATCHED));
    }

    #[test]
    fn latched_ignores_every_event() {
        for event in [
            Event::Connected(LATER),
            Event::AttemptFailed(TRANSIENT),
            Event::AttemptFailed(FINAL),
            Event::ConnectionLost(CURRENT, TRANSIENT),
            Event::ConnectionLost(CURRENT, FINAL),
            Event::ThreadPanicked,
        ] {
            assert_eq!(LATCHED.next(event.clone()), None, "{event:?}");
        }
    }

    #[test]
    fn only_latched_needs_a_restart() {
        assert!(LATCHED.is_latched());
        for state in [CONNECTING, CONNECTED, FAILED] {
            assert!(!state.is_latched(), "{state:?}");
        }
    }

    #[test]
    fn only_connected_has_a_current_connection() {
        assert!(CONNECTED.is_current(CURRENT) && !CONNECTED.is_current(EARLIER));
        for state in [CONNECTING, FAILED, LATCHED] {
            assert_eq!(state.connection(), None, "{state:?}");
        }
    }

    #[test]
    fn only_failed_and_latched_have_a_fault() {
        assert_eq!(FAILED.fault(), Some(&HsmFault::ConnectionLost));
        assert_eq!(LATCHED.fault(), Some(&HsmFault::ThreadPanicked));
        assert_eq!((CONNECTING.fault(), CONNECTED.fault()), (None, None));
    }

    #[test]
    fn status_follows_the_state() {
        assert_eq!(CONNECTING.status(None), Status::Connecting);
        assert_eq!(CONNECTED.status(None), Status::Connected);
        assert_eq!(FAILED.status(None), Status::Failed(HsmFault::ConnectionLost));
        assert_eq!(LATCHED.status(None), Status::Failed(HsmFault::ThreadPanicked));
    }

    #[test]
    fn stuck_call_hides_every_state_but_latched() {
        for state in [CONNECTING, CONNECTED, FAILED] {
            assert_eq!(state.status(Some(STUCK)), Status::Failed(STUCK), "{state:?}");
        }
        assert_eq!(LATCHED.status(Some(STUCK)), Status::Failed(HsmFault::ThreadPanicked));
    }
}
