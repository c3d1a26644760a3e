//! The back-off of a connection manager: the delays between attempts to connect, and the limit of rejected
//! logins.

use std::time::Duration;

use super::super::fault::HsmFault;

/// Delay after the first failure in a row. The delay doubles with each further failure.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// Maximum delay between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Number of logins in a row that the token may reject, for any reason. The token may count each rejected
/// login as a wrong PIN, so a further login could lock the user out.
const MAX_REJECTED_LOGINS: u32 = 3;

/// Delay after a rejected login. The delay is long, so that a temporary problem of the HSM does not use up
/// all logins.
const REJECTED_LOGIN_DELAY: Duration = Duration::from_secs(10);

/// The delays between attempts to connect, and the limit of rejected logins.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Last delay, not counting delays after rejected logins.
    last_delay: Option<Duration>,
    /// Number of logins in a row that the token has rejected.
    rejected_logins: u32,
}

impl Backoff {
    /// Counts a rejected login. Returns a final fault if the token has rejected too many logins in a row.
    /// Does not count a login that failed because the device was lost.
    pub(super) fn record_login(&mut self, login: Result<(), HsmFault>) -> Result<(), HsmFault> {
        match login {
            Ok(()) => self.rejected_logins = 0,
            Err(fault) if fault.is_device_lost() => return Err(fault),
            Err(fault) => {
                self.rejected_logins += 1;
                return Err(match self.rejected_logins {
                    ..MAX_REJECTED_LOGINS => fault,
                    _ => HsmFault::LoginsRejected { last: Box::new(fault) },
                });
            }
        }
        Ok(())
    }

    /// Returns the delay before the next attempt, after a connection that lasted for `connected_for`.
    ///
    /// The delay doubles, unless the connection lasted longer than the last delay. So the delays grow while
    /// each connection fails at once.
    pub(super) fn next_delay(&mut self, connected_for: Duration) -> Duration {
        if self.rejected_logins > 0 {
            return REJECTED_LOGIN_DELAY;
        }
        let delay = match self.last_delay {
            Some(last) if connected_for <= last => (last * 2).min(MAX_DELAY),
            Some(_) | None => FIRST_DELAY,
        };
        self.last_delay = Some(delay);
        delay
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;
    use cryptoki::error::{Error as Pkcs11Error, RvError};

    use super::*;

    const NONE: Duration = Duration::ZERO;

    fn login_fault(code: RvError) -> HsmFault {
        Pkcs11Error::Pkcs11(code, Function::Login).into()
    }

    #[test]
    fn delay_doubles_up_to_its_maximum() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..9).map(|_| backoff.next_delay(NONE).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn delay_starts_anew_after_a_connection_that_outlasts_it() {
        let mut backoff = Backoff { last_delay: Some(MAX_DELAY), rejected_logins: 0 };
        assert_eq!(backoff.next_delay(MAX_DELAY), MAX_DELAY);
        assert_eq!(backoff.next_delay(MAX_DELAY + Duration::from_secs(1)), FIRST_DELAY);
        assert_eq!(backoff.next_delay(NONE), FIRST_DELAY * 2);
    }

    #[test]
    fn rejected_login_has_its_own_delay() {
        let mut backoff = Backoff::default();
        backoff.record_login(Err(login_fault(RvError::GeneralError))).unwrap_err();
        assert_eq!(backoff.next_delay(NONE), REJECTED_LOGIN_DELAY);
        assert_eq!(backoff.next_delay(NONE), REJECTED_LOGIN_DELAY);
        backoff.record_login(Ok(())).unwrap();
        assert_eq!(backoff.next_delay(NONE), FIRST_DELAY);
    }

    #[test]
    fn third_login_rejected_in_a_row_is_final() {
        let mut backoff = Backoff::default();
        let fault = login_fault(RvError::GeneralError);
        for _ in 1..MAX_REJECTED_LOGINS {
            assert_eq!(backoff.record_login(Err(fault.clone())), Err(fault.clone()));
        }
        let rejected = backoff.record_login(Err(fault.clone())).unwrap_err();
        assert_eq!(rejected, HsmFault::LoginsRejected { last: Box::new(fault) });
        assert!(rejected.is_final());
    }

    #[test]
    fn accepted_login_resets_the_count_of_rejected_logins() {
        let mut backoff = Backoff::default();
        let fault = login_fault(RvError::GeneralError);
        for _ in 0..2 {
            for _ in 1..MAX_REJECTED_LOGINS {
                assert_eq!(backoff.record_login(Err(fault.clone())), Err(fault.clone()));
            }
            backoff.record_login(Ok(())).unwrap();
        }
    }

    #[test]
    fn login_that_failed_with_the_device_is_not_counted() {
        let mut backoff = Backoff::default();
        for code in [RvError::DeviceError, RvError::DeviceRemoved, RvError::SessionHandleInvalid] {
            backoff.record_login(Err(login_fault(code))).unwrap_err();
            assert_eq!(backoff.rejected_logins, 0, "{code:?}");
        }
    }
}
