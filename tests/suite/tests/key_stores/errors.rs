//! Tests of each error of a custom key store: the cause, and the state of the store after the
//! error.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::service::{
    CONNECTED, CONNECTING, DISCONNECTED, INTERNAL_FAILURE, Service, State, TOKEN_MISSING,
};
use crate::softhsm::SoftHsm;
use crate::store_config::{EXTERNAL, EXTERNAL_ID, Store, VAULT};

const NOT_FOUND: (&str, u16) = ("CustomKeyStoreNotFoundException", 400);
const INVALID_STATE: (&str, u16) = ("CustomKeyStoreInvalidStateException", 400);
const UNSUPPORTED: (&str, u16) = ("UnsupportedOperationException", 400);
const TIMEOUT: (&str, u16) = ("DependencyTimeoutException", 500);
const INTERNAL: (&str, u16) = ("KMSInternalException", 500);

/// A store with a short deadline, so that a request to a slow or stuck HSM soon times out.
const SHORT_DEADLINE: Store<'_> = Store { deadline_ms: 1000, ..VAULT };

/// A request that fails, and the states of the store before and after the request.
struct ErrorCase {
    name: &'static str,
    store: Store<'static>,
    /// Faults that are injected into the module before the service starts.
    faults: &'static str,
    /// The store's state before the fault.
    initial_state: State,
    /// Function that injects the fault.
    inject_fault: fn(&Service<'_>),
    /// The store that the request names.
    requested_id: &'static str,
    expected_error: (&'static str, u16),
    /// The store's state after the failed request.
    state_after: State,
    recovery: Recovery,
    /// Number of log lines about stuck calls, and number of log lines about the return of such
    /// calls.
    stuck_log_count: usize,
}

/// The expected recovery.
enum Recovery {
    /// The store keeps its state until the service is restarted. The service has made this number
    /// of logins.
    Stays { logins: usize },
    /// The store recovers without a restart after this function has run.
    Recovers(fn(&Service<'_>)),
}

const DEFAULT_CASE: ErrorCase = ErrorCase {
    name: "",
    store: VAULT,
    faults: "",
    initial_state: CONNECTED,
    inject_fault: |_| (),
    requested_id: VAULT.id,
    expected_error: INTERNAL,
    state_after: INTERNAL_FAILURE,
    recovery: Recovery::Recovers(clear_faults),
    stuck_log_count: 0,
};

/// Removes all injected faults.
fn clear_faults(service: &Service<'_>) {
    service.hsm.inject("");
}

const CASES_BY_ERROR: [ErrorCase; 19] = [
    ErrorCase {
        name: "unknown_id_is_not_found",
        requested_id: "cks-fffffffffffffffff",
        expected_error: NOT_FOUND,
        state_after: CONNECTED,
        recovery: Recovery::Stays { logins: 1 },
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "external_store_is_unsupported",
        requested_id: EXTERNAL_ID,
        expected_error: UNSUPPORTED,
        state_after: CONNECTED,
        recovery: Recovery::Stays { logins: 1 },
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "disconnected_store_is_in_invalid_state",
        store: Store { connect: false, ..VAULT },
        initial_state: DISCONNECTED,
        expected_error: INVALID_STATE,
        state_after: DISCONNECTED,
        recovery: Recovery::Stays { logins: 0 },
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "connecting_store_is_in_invalid_state",
        faults: "C_Initialize hold\n",
        initial_state: CONNECTING,
        expected_error: INVALID_STATE,
        state_after: CONNECTING,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "failed_store_is_in_invalid_state_and_retries",
        faults: "C_OpenSession return 0x05\n",
        initial_state: INTERNAL_FAILURE,
        expected_error: INVALID_STATE,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "wrong_pin_is_not_retried",
        store: Store { pin: r#"pin_file = "spare.pin""#, ..VAULT },
        initial_state: ("FAILED", Some("INVALID_CREDENTIALS")),
        expected_error: INVALID_STATE,
        state_after: ("FAILED", Some("INVALID_CREDENTIALS")),
        // After several wrong PINs, the HSM locks the user. The service must therefore not repeat a
        // login.
        recovery: Recovery::Stays { logins: 1 },
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "login_is_tried_at_most_three_times",
        faults: "C_Login return 0x05\n",
        initial_state: INTERNAL_FAILURE,
        inject_fault: |service| service.wait_until_called("C_Login", 3),
        expected_error: INVALID_STATE,
        recovery: Recovery::Stays { logins: 3 },
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "too_few_sessions_fail_the_store_at_connection",
        // The limit allows one session of the connection manager, and three sessions for four
        // workers.
        faults: "C_OpenSession limit 4\n",
        initial_state: INTERNAL_FAILURE,
        expected_error: INVALID_STATE,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "slow_module_times_out_at_the_deadline",
        store: SHORT_DEADLINE,
        inject_fault: hold_draws,
        expected_error: TIMEOUT,
        state_after: CONNECTED,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "slow_module_in_all_sessions_times_out_at_the_deadline",
        store: SHORT_DEADLINE,
        inject_fault: |service| {
            hold_draws(service);
            for _ in 0..4 {
                assert_eq!(service.draw(VAULT.id, 32).error(), TIMEOUT);
            }
        },
        expected_error: TIMEOUT,
        state_after: CONNECTED,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "stuck_module_fails_the_store_until_it_returns",
        store: SHORT_DEADLINE,
        inject_fault: |service| {
            service.hsm.inject("C_GenerateRandom hold\nC_GetTokenInfo hold\n");
            assert_eq!(service.draw(VAULT.id, 32).error(), TIMEOUT);
            service.wait_until_state(&VAULT, UNREACHABLE);
        },
        expected_error: INVALID_STATE,
        state_after: UNREACHABLE,
        stuck_log_count: 1,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "stuck_sessions_fail_the_store_until_they_return",
        store: SHORT_DEADLINE,
        inject_fault: |service| {
            // The token's information is still available, but no session works.
            hold_draws(service);
            for _ in 0..4 {
                assert_eq!(service.draw(VAULT.id, 32).error(), TIMEOUT);
            }
            service.wait_until_state(&VAULT, UNREACHABLE);
        },
        expected_error: INVALID_STATE,
        state_after: UNREACHABLE,
        stuck_log_count: 1,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "fault_is_internal_and_store_reconnects",
        inject_fault: |service| service.hsm.inject("C_GenerateRandom return 0x06\n"),
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "removed_device_is_internal_until_it_returns",
        inject_fault: |service| service.hsm.inject("C_GenerateRandom return 0x32\n"),
        state_after: UNREACHABLE,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "absent_token_is_detected_without_a_request",
        inject_fault: |service| {
            service.hsm.inject("C_GetTokenInfo return 0xe0\n");
            service.wait_until_state(&VAULT, TOKEN_MISSING);
        },
        expected_error: INVALID_STATE,
        state_after: TOKEN_MISSING,
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "moved_token_is_detected_and_recovers",
        inject_fault: |service| {
            service.hsm.remove_token("vault");
            service.wait_until_state(&VAULT, TOKEN_MISSING);
        },
        expected_error: INVALID_STATE,
        state_after: TOKEN_MISSING,
        recovery: Recovery::Recovers(|service| service.hsm.restore_token("vault")),
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "constant_bytes_fail_the_store_permanently",
        inject_fault: |service| service.hsm.inject("C_GenerateRandom zeros\n"),
        recovery: Recovery::Stays { logins: 1 },
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "repeated_bytes_fail_the_store_permanently",
        inject_fault: |service| {
            service.hsm.inject("C_GenerateRandom same\n");
            // The first output has no predecessor, so the repetition is not detectable yet.
            assert_eq!(service.draw(VAULT.id, 32).plaintext().len(), 32);
        },
        recovery: Recovery::Stays { logins: 1 },
        ..DEFAULT_CASE
    },
    ErrorCase {
        name: "zeros_at_connection_fail_the_store_permanently",
        faults: "C_GenerateRandom zeros\n",
        initial_state: INTERNAL_FAILURE,
        expected_error: INVALID_STATE,
        recovery: Recovery::Stays { logins: 1 },
        ..DEFAULT_CASE
    },
];

/// The state of a store that does not respond.
const UNREACHABLE: State = ("FAILED", Some("NETWORK_ERRORS"));

fn hold_draws(service: &Service<'_>) {
    service.hsm.inject("C_GenerateRandom hold\n");
}

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let trial = |row: ErrorCase| {
        Trial::test(row.name, move || {
            row.run();
            Ok(())
        })
    };
    CASES_BY_ERROR.into_iter().map(trial)
}

impl ErrorCase {
    fn run(&self) {
        let hsm = SoftHsm::empty();
        hsm.configure(&[&self.store.toml(&hsm.spy_module()), EXTERNAL].concat());
        hsm.inject(self.faults);
        let service = Service::start(&hsm);
        service.assert_serves_others();
        service.wait_until_state(&self.store, self.initial_state);
        (self.inject_fault)(&service);

        let start = Instant::now();
        assert_eq!(service.draw(self.requested_id, 32).error(), self.expected_error);
        if self.expected_error == TIMEOUT {
            let deadline = Duration::from_millis(self.store.deadline_ms);
            assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
        }
        service.assert_serves_others();
        service.wait_until_state(&self.store, self.state_after);
        match self.recovery {
            Recovery::Stays { logins } => {
                service.hsm.inject("");
                service.assert_state_stays(&self.store, self.state_after);
                assert_eq!(hsm.calls("C_Login").len(), logins);
            }
            Recovery::Recovers(restore) => {
                restore(&service);
                service.wait_until_state(&self.store, CONNECTED);
                service.assert_serves(&self.store, 32);
            }
        }
        service.assert_serves_others();
        for case in ["calls of the PKCS#11 module have not returned", "responds again"] {
            assert_eq!(service.count_log_lines(case), self.stuck_log_count, "{case}");
        }
        service.shut_down();
    }
}
