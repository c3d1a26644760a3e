//! What is counted of the stores, and what the log says of them, once.

use crate::Case;
use crate::service::{BROKEN, CONNECTED, GONE, Service, until};
use crate::softhsm::Stage;
use crate::store_config::{EXTERNAL, SPARE, Store, VAULT};

pub(crate) const CASES: &[Case] = &[
    ("each_draw_is_counted_by_its_end", each_draw_is_counted_by_its_end),
    ("stores_are_counted_by_their_state", stores_are_counted_by_their_state),
    (
        "the_same_fault_again_is_counted_each_time_and_said_once",
        the_same_fault_again_is_counted_each_time_and_said_once,
    ),
];

const NOWHERE: Store<'_> = Store { token: r#"token_label = "nowhere""#, ..SPARE };

fn each_draw_is_counted_by_its_end() {
    let stage = Stage::with(&[Store { deadline_ms: 1000, ..VAULT }]);
    let service = Service::start(&stage);
    service.until_is(&VAULT, CONNECTED);
    let assert_counted = |counted: [u64; 4]| {
        let outcomes = ["success", "timed_out", "queue_full", "failed"];
        let sample = |outcome| format!("key_store_draws_total{{outcome=\"{outcome}\"}}");
        assert_eq!(outcomes.map(|outcome| service.metric(&sample(outcome))), counted);
    };
    assert_counted([0, 0, 0, 0]);
    service.assert_serves(&VAULT, 32);
    service.assert_serves(&VAULT, 1);
    assert_counted([2, 0, 0, 0]);
    stage.order("C_GenerateRandom hold\n");
    assert_eq!(service.draw(VAULT.id, 32).refusal(), ("DependencyTimeoutException", 500));
    assert_counted([2, 1, 0, 0]);
    // The call that was late is not to be the one that fails.
    let returned = stage.calls("C_GenerateRandom").len();
    stage.order("");
    until("it returns", || (stage.calls("C_GenerateRandom").len() > returned).then_some(()));
    stage.order("C_GenerateRandom return 0x06\n");
    assert_eq!(service.draw(VAULT.id, 32).refusal(), ("KMSInternalException", 500));
    assert_counted([2, 1, 0, 1]);
    service.end();
}

fn stores_are_counted_by_their_state() {
    let stage = Stage::empty();
    let off = Store { id: "cks-dddddddddddddddd0", name: "off", connect: false, ..SPARE };
    let stores = [VAULT, NOWHERE, off].map(|store| store.toml(&stage.spy()));
    stage.configure(&[&stores.concat(), EXTERNAL].concat());
    stage.order("C_Initialize hold\n");
    let service = Service::start(&stage);
    let counted = || {
        ["CONNECTING", "CONNECTED", "FAILED", "DISCONNECTED"]
            .map(|state| service.metric(&format!("key_stores{{state=\"{state}\"}}")))
    };
    assert_eq!(counted(), [2, 0, 0, 2]);
    stage.order("");
    service.until_is(&VAULT, CONNECTED);
    service.until_is(&NOWHERE, GONE);
    assert_eq!(counted(), [0, 1, 1, 2]);
    service.end();
}

fn the_same_fault_again_is_counted_each_time_and_said_once() {
    let stage = Stage::with(&[NOWHERE]);
    let service = Service::start(&stage);
    let failures = || service.metric("key_store_failures_total");
    let said = || service.said(&format!("key store {} failed", NOWHERE.id));
    // Each attempt sets the module up anew.
    service.until_called("C_Initialize", 4);
    until("each is counted", || {
        (failures() == u64::try_from(stage.calls("C_Initialize").len()).unwrap()).then_some(())
    });
    assert_eq!(said(), 1);
    // Another is said.
    stage.order("C_Initialize return 0x05\n");
    service.until_is(&NOWHERE, BROKEN);
    assert_eq!(said(), 2);
    service.end();
}
