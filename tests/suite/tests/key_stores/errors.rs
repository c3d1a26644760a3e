//! Each error of a custom key store, what brings it about, and what becomes of the store.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::service::{BROKEN, CONNECTED, CONNECTING, DISCONNECTED, GONE, Service, State};
use crate::softhsm::Stage;
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
    orders: &'static str,
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
    orders: "",
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
    service.stage.order("");
}

const ROWS: [Row; 19] = [
    Row {
        name: "an_id_that_is_not_configured_is_not_found",
        asked: "cks-fffffffffffffffff",
        refused: NOT_FOUND,
        becomes: CONNECTED,
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "an_external_store_is_not_supported",
        asked: EXTERNAL_ID,
        refused: UNSUPPORTED,
        becomes: CONNECTED,
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "a_store_that_is_not_to_connect_is_in_another_state",
        store: Store { connect: false, ..VAULT },
        begins: DISCONNECTED,
        refused: INVALID_STATE,
        becomes: DISCONNECTED,
        then: Then::Stays { logins: 0 },
        ..ROW
    },
    Row {
        name: "a_store_that_connects_is_in_another_state_until_it_has",
        orders: "C_Initialize hold\n",
        begins: CONNECTING,
        refused: INVALID_STATE,
        becomes: CONNECTING,
        ..ROW
    },
    Row {
        name: "a_store_that_did_not_connect_is_in_another_state_and_tries_again",
        orders: "C_OpenSession return 0x05\n",
        begins: BROKEN,
        refused: INVALID_STATE,
        ..ROW
    },
    Row {
        name: "a_store_with_a_wrong_pin_is_in_another_state_and_does_not_try_again",
        store: Store { pin: r#"pin_file = "spare.pin""#, ..VAULT },
        begins: ("FAILED", Some("INVALID_CREDENTIALS")),
        refused: INVALID_STATE,
        becomes: ("FAILED", Some("INVALID_CREDENTIALS")),
        // Each wrong one counts towards locking the user out.
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "a_login_that_is_refused_three_times_is_not_tried_again",
        orders: "C_Login return 0x05\n",
        begins: BROKEN,
        breaks: |service| service.until_called("C_Login", 3),
        refused: INVALID_STATE,
        then: Then::Stays { logins: 3 },
        ..ROW
    },
    Row {
        name: "a_token_that_allows_too_few_sessions_is_in_another_state_before_anybody_asks",
        // One of the keeper's, and three for four workers.
        orders: "C_OpenSession limit 4\n",
        begins: BROKEN,
        refused: INVALID_STATE,
        ..ROW
    },
    Row {
        name: "a_module_that_sleeps_times_out_at_the_deadline",
        store: HASTY,
        breaks: hold,
        refused: TIMEOUT,
        becomes: CONNECTED,
        ..ROW
    },
    Row {
        name: "a_module_that_sleeps_in_all_sessions_times_out_at_the_deadline",
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
        name: "a_module_that_is_stuck_altogether_for_ten_seconds_is_in_another_state_until_it_returns",
        store: HASTY,
        breaks: |service| {
            service.stage.order("C_GenerateRandom hold\nC_GetTokenInfo hold\n");
            assert_eq!(service.draw(VAULT.id, 32).refusal(), TIMEOUT);
            service.until_is(&VAULT, UNREACHABLE);
        },
        refused: INVALID_STATE,
        becomes: UNREACHABLE,
        said_stuck: 1,
        ..ROW
    },
    Row {
        name: "a_module_all_of_whose_sessions_are_stuck_is_in_another_state_until_they_return",
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
        name: "a_fault_is_internal_and_the_store_connects_again_when_it_is_over",
        breaks: |service| service.stage.order("C_GenerateRandom return 0x06\n"),
        ..ROW
    },
    Row {
        name: "a_device_that_is_removed_for_good_is_internal_until_it_is_there",
        breaks: |service| service.stage.order("C_GenerateRandom return 0x32\n"),
        becomes: UNREACHABLE,
        ..ROW
    },
    Row {
        name: "a_token_that_is_not_present_is_noticed_without_a_request",
        breaks: |service| {
            service.stage.order("C_GetTokenInfo return 0xe0\n");
            service.until_is(&VAULT, GONE);
        },
        refused: INVALID_STATE,
        becomes: GONE,
        ..ROW
    },
    Row {
        name: "a_token_that_is_moved_away_is_noticed_and_its_return_as_well",
        breaks: |service| {
            service.stage.take_away("vault");
            service.until_is(&VAULT, GONE);
        },
        refused: INVALID_STATE,
        becomes: GONE,
        then: Then::Recovers(|service| service.stage.put_back("vault")),
        ..ROW
    },
    Row {
        name: "bytes_that_are_all_the_same_are_internal_and_never_trusted_again",
        breaks: |service| service.stage.order("C_GenerateRandom zeros\n"),
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "bytes_that_came_before_are_internal_and_never_trusted_again",
        breaks: |service| {
            service.stage.order("C_GenerateRandom same\n");
            // Nobody can know yet.
            assert_eq!(service.draw(VAULT.id, 32).plaintext().len(), 32);
        },
        then: Then::Stays { logins: 1 },
        ..ROW
    },
    Row {
        name: "a_module_that_gives_zeros_from_the_beginning_is_never_trusted",
        orders: "C_GenerateRandom zeros\n",
        begins: BROKEN,
        refused: INVALID_STATE,
        then: Then::Stays { logins: 1 },
        ..ROW
    },
];

/// What cannot be reached.
const UNREACHABLE: State = ("FAILED", Some("NETWORK_ERRORS"));

fn hold(service: &Service<'_>) {
    service.stage.order("C_GenerateRandom hold\n");
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
        let stage = Stage::empty();
        stage.configure(&[&self.store.toml(&stage.spy()), EXTERNAL].concat());
        stage.order(self.orders);
        let service = Service::start(&stage);
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
                service.stage.order("");
                service.assert_stays(&self.store, self.becomes);
                assert_eq!(stage.calls("C_Login").len(), logins);
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
