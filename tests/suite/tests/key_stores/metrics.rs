//! Tests of the stores' metrics, and of their log lines. The service must not repeat a log line.

use crate::Case;
use crate::service::{CONNECTED, INTERNAL_FAILURE, Service, TOKEN_MISSING, wait_until};
use crate::softhsm::SoftHsm;
use crate::store_config::{EXTERNAL, SPARE, Store, VAULT};

pub(crate) const CASES: &[Case] = &[
    ("counts_each_draw_by_outcome", counts_each_draw_by_outcome),
    ("counts_stores_by_state", counts_stores_by_state),
    (
        "repeated_fault_is_counted_each_time_and_logged_once",
        repeated_fault_is_counted_each_time_and_logged_once,
    ),
];

const ABSENT_TOKEN: Store<'_> = Store { token: r#"token_label = "nowhere""#, ..SPARE };

fn counts_each_draw_by_outcome() {
    let hsm = SoftHsm::with_stores(&[Store { deadline_ms: 1000, ..VAULT }]);
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    let assert_counted = |counted: [u64; 4]| {
        let outcomes = ["success", "timed_out", "queue_full", "failed"];
        let sample = |outcome| format!("key_store_draws_total{{outcome=\"{outcome}\"}}");
        assert_eq!(outcomes.map(|outcome| service.metric(&sample(outcome))), counted);
    };
    assert_counted([0, 0, 0, 0]);
    service.assert_serves(&VAULT, 32);
    service.assert_serves(&VAULT, 1);
    assert_counted([2, 0, 0, 0]);
    hsm.inject("C_GenerateRandom hold\n");
    assert_eq!(service.draw(VAULT.id, 32).error(), ("DependencyTimeoutException", 500));
    assert_counted([2, 1, 0, 0]);
    // The stuck call must return first, so that the injected error affects a later call.
    let returned = hsm.calls("C_GenerateRandom").len();
    hsm.inject("");
    wait_until("the late call returns", || {
        (hsm.calls("C_GenerateRandom").len() > returned).then_some(())
    });
    hsm.inject("C_GenerateRandom return 0x06\n");
    assert_eq!(service.draw(VAULT.id, 32).error(), ("KMSInternalException", 500));
    assert_counted([2, 1, 0, 1]);
    service.shut_down();
}

fn counts_stores_by_state() {
    let hsm = SoftHsm::empty();
    let off = Store { id: "cks-dddddddddddddddd0", name: "off", connect: false, ..SPARE };
    let stores = [VAULT, ABSENT_TOKEN, off].map(|store| store.toml(&hsm.spy_module()));
    hsm.configure(&[&stores.concat(), EXTERNAL].concat());
    hsm.inject("C_Initialize hold\n");
    let service = Service::start(&hsm);
    let counted = || {
        ["CONNECTING", "CONNECTED", "FAILED", "DISCONNECTED"]
            .map(|state| service.metric(&format!("key_stores{{state=\"{state}\"}}")))
    };
    assert_eq!(counted(), [2, 0, 0, 2]);
    hsm.inject("");
    service.wait_until_state(&VAULT, CONNECTED);
    service.wait_until_state(&ABSENT_TOKEN, TOKEN_MISSING);
    assert_eq!(counted(), [0, 1, 1, 2]);
    service.shut_down();
}

fn repeated_fault_is_counted_each_time_and_logged_once() {
    let hsm = SoftHsm::with_stores(&[ABSENT_TOKEN]);
    let service = Service::start(&hsm);
    let failures = || service.metric("key_store_connection_failures_total");
    let log_count =
        || service.count_log_lines(&format!("key store failed key_store={} ", ABSENT_TOKEN.id));
    // Each connection attempt initializes the module again.
    service.wait_until_called("C_Initialize", 4);
    wait_until("each failure is counted", || {
        (failures() == u64::try_from(hsm.calls("C_Initialize").len()).unwrap()).then_some(())
    });
    assert_eq!(log_count(), 1);
    // The service logs a different fault.
    hsm.inject("C_Initialize return 0x05\n");
    service.wait_until_state(&ABSENT_TOKEN, INTERNAL_FAILURE);
    assert_eq!(log_count(), 2);
    service.shut_down();
}
