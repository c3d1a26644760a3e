//! Each error of a custom key store, what brings it about, and what becomes of the store.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::service::{BROKEN, CONNECTED, CONNECTING, DISCONNECTED, GONE, Service, State};
use crate::softhsm::SoftHsm;
use crate::store_config::{EXTERNAL, EXTERNAL_ID, Store, VAULT};

const NOT_FOUND: (&str, u16) = ("CustomKeyStoreNotFoundException", 400);
const INVALID_STATE: (&str, u16) = ("CustomKeyStoreInvalidStateException", 400);
const UNSUPPORTED: (&str, u16) = ("UnsupportedOperationException", 400);
const TIMEOUT: (&str, u16) = ("DependencyTimeoutException", 500);
const INTERNAL: (&str, u16) = ("KMSInternalException", 500);

// Long enough for a good answer, once there is one again.
const HASTY: Store<'_> = Store { deadline_ms: 1000, ..VAULT };

/// One way to be refused.
struct Row {
    name: &'static str,
    store: Store<'static>,
    /// What the spy does from the beginning.
    faults: &'static str,
    /// The store's state then.
    begins: State,
    /// What breaks it.
    breaks: fn(&Service<'_>),
    /// Whom the request asks.
    asked: &'static str,
    refused: (&'static str, u16),
    /// The store's state after that.
    becomes: State,
    then: Then,
    /// How often it is said that its calls do not return, and how often that they do again.
    said_stuck: usize,
}

/// How a store ends.
enum Then {
    /// It stays as it is, until a restart; so often it has logged in.
    Stays { logins: usize },
    /// Once this is done it recovers without a restart.
    Recovers(fn(&Service<'_>)),
}

const ROW: Row = Row {
    name: "",
    store: VAULT,
    faults: "",
    begins: CONNECTED,
    breaks: |_| (),
    asked: VAULT.id,
    refused: INTERNAL,
    becomes: BROKEN,
    then: Then::Recovers(obey),
    said_stuck: 0,
};

/// The spy is as it was.
fn obey(service: &Service<'_>) {
    service.hsm.inject("");
}

const ROWS: [Row; 19] = [
    Row {
        name: "unknown_id_is_not_found",
        asked: "cks-fffffffffffffffff",
        refused: NOT_FOUND,
        becomes: CONNECTED,
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "external_store_is_unsupported",
        asked: EXTERNAL_ID,
        refused: UNSUPPORTED,
        becomes: CONNECTED,
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "disconnected_store_is_in_invalid_state",
        store: Store { connect: false, ..VAULT },
        begins: DISCONNECTED,
        refused: INVALID_STATE,
        becomes: DISCONNECTED,
        then: Then::Stays { logins: 0 },
        ..ROW
    },
    Row {
        name: "connecting_store_is_in_invalid_state",
        faults: "C_Initialize hold\n",
        begins: CONNECTING,
        refused: INVALID_STATE,
        becomes: CONNECTING,
        ..ROW
    },
    Row {
        name: "failed_store_is_in_invalid_state_and_retries",
        faults: "C_OpenSession return 0x05\n",
        begins: BROKEN,
        refused: INVALID_STATE,
        ..ROW
    },
    Row {
        name: "wrong_pin_is_not_retried",
        store: Store { pin: r#"pin_file = "spare.pin""#, ..VAULT },
        begins: ("FAILED", Some("INVALID_CREDENTIALS")),
        refused: INVALID_STATE,
        becomes: ("FAILED", Some("INVALID_CREDENTIALS")),
        // Each wrong one counts towards locking the user out.
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "login_is_tried_at_most_three_times",
        faults: "C_Login return 0x05\n",
        begins: BROKEN,
        breaks: |service| service.until_called("C_Login", 3),
        refused: INVALID_STATE,
        then: Then::Stays { logins: 3 },
        ..ROW
    },
    Row {
        name: "too_few_sessions_fail_the_store_at_connection",
        // One of the keeper's, and three for four workers.
        faults: "C_OpenSession limit 4\n",
        begins: BROKEN,
        refused: INVALID_STATE,
        ..ROW
    },
    Row {
        name: "slow_module_times_out_at_the_deadline",
        store: HASTY,
        breaks: hold,
        refused: TIMEOUT,
        becomes: CONNECTED,
        ..ROW
    },
    Row {
        name: "slow_module_in_all_sessions_times_out_at_the_deadline",
        store: HASTY,
        breaks: |service| {
            hold(service);
            for _ in 0..4 {
                assert_eq!(service.draw(VAULT.id, 32).refusal(), TIMEOUT);
            }
        },
        refused: TIMEOUT,
        becomes: CONNECTED,
        ..ROW
    },
    Row {
        name: "stuck_module_fails_the_store_until_it_returns",
        store: HASTY,
        breaks: |service| {
            service.hsm.inject("C_GenerateRandom hold\nC_GetTokenInfo hold\n");
            assert_eq!(service.draw(VAULT.id, 32).refusal(), TIMEOUT);
            service.until_is(&VAULT, UNREACHABLE);
        },
        refused: INVALID_STATE,
        becomes: UNREACHABLE,
        said_stuck: 1,
        ..ROW
    },
    Row {
        name: "stuck_sessions_fail_the_store_until_they_return",
        store: HASTY,
        breaks: |service| {
            // What it still tells of its token helps nobody.
            hold(service);
            for _ in 0..4 {
                assert_eq!(service.draw(VAULT.id, 32).refusal(), TIMEOUT);
            }
            service.until_is(&VAULT, UNREACHABLE);
        },
        refused: INVALID_STATE,
        becomes: UNREACHABLE,
        said_stuck: 1,
        ..ROW
    },
    Row {
        name: "fault_is_internal_and_store_reconnects",
        breaks: |service| service.hsm.inject("C_GenerateRandom return 0x06\n"),
        ..ROW
    },
    Row {
        name: "removed_device_is_internal_until_it_returns",
        breaks: |service| service.hsm.inject("C_GenerateRandom return 0x32\n"),
        becomes: UNREACHABLE,
        ..ROW
    },
    Row {
        name: "absent_token_is_detected_without_a_request",
        breaks: |service| {
            service.hsm.inject("C_GetTokenInfo return 0xe0\n");
            service.until_is(&VAULT, GONE);
        },
        refused: INVALID_STATE,
        becomes: GONE,
        ..ROW
    },
    Row {
        name: "moved_token_is_detected_and_recovers",
        breaks: |service| {
            service.hsm.remove_token("vault");
            service.until_is(&VAULT, GONE);
        },
        refused: INVALID_STATE,
        becomes: GONE,
        then: Then::Recovers(|service| service.hsm.restore_token("vault")),
        ..ROW
    },
    Row {
        name: "constant_bytes_fail_the_store_permanently",
        breaks: |service| service.hsm.inject("C_GenerateRandom zeros\n"),
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "repeated_bytes_fail_the_store_permanently",
        breaks: |service| {
            service.hsm.inject("C_GenerateRandom same\n");
            // Nobody can know yet.
            assert_eq!(service.draw(VAULT.id, 32).plaintext().len(), 32);
        },
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "zeros_at_connection_fail_the_store_permanently",
        faults: "C_GenerateRandom zeros\n",
        begins: BROKEN,
        refused: INVALID_STATE,
        then: Then::Stays { logins: 1 },
        ..ROW
    },
];

/// What cannot be reached.
const UNREACHABLE: State = ("FAILED", Some("NETWORK_ERRORS"));

fn hold(service: &Service<'_>) {
    service.hsm.inject("C_GenerateRandom hold\n");
}

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let trial = |row: Row| {
        Trial::test(row.name, move || {
            row.play();
            Ok(())
        })
    };
    ROWS.into_iter().map(trial)
}

impl Row {
    fn play(&self) {
        let hsm = SoftHsm::empty();
        hsm.configure(&[&self.store.toml(&hsm.spy_module()), EXTERNAL].concat());
        hsm.inject(self.faults);
        let service = Service::start(&hsm);
        service.assert_serves_others();
        service.until_is(&self.store, self.begins);
        (self.breaks)(&service);

        let start = Instant::now();
        assert_eq!(service.draw(self.asked, 32).refusal(), self.refused);
        if self.refused == TIMEOUT {
            let deadline = Duration::from_millis(self.store.deadline_ms);
            assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
        }
        service.assert_serves_others();
        service.until_is(&self.store, self.becomes);
        match self.then {
            Then::Stays { logins } => {
                service.hsm.inject("");
                service.assert_stays(&self.store, self.becomes);
                assert_eq!(hsm.calls("C_Login").len(), logins);
            }
            Then::Recovers(restore) => {
                restore(&service);
                service.until_is(&self.store, CONNECTED);
                service.assert_serves(&self.store, 32);
            }
        }
        service.assert_serves_others();
        for what in ["and do not return", "answers again"] {
            assert_eq!(service.said(what), self.said_stuck, "{what}");
        }
        service.end();
    }
}
