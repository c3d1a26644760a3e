//! F: the hardware security module of a custom key store fails, and nobody else notices.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binaries::until;
use crate::harness::hsm::softhsm::{CKR_DEVICE_REMOVED, Stage};
use crate::harness::hsm::store_config::{Store, VAULT};
use crate::harness::relayed_enclave::Relayed;
use crate::harness::requests::generate;
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome::Refused;

const INVALID_STATE: &str = "CustomKeyStoreInvalidStateException";
const TIMEOUT: &str = "DependencyTimeoutException";
const INTERNAL: &str = "KMSInternalException";

/// Long enough for a good answer, once there is one again.
const HASTY: Store<'_> = Store { deadline_ms: 1000, ..VAULT };

pub(crate) fn rows() -> Vec<Row> {
    let row = row("F28", "HSM absent, slow, gone in mid-call, back again");
    let row = row
        .scene("absent from the beginning, and there later", Refused, || {
            let stage = staged(VAULT);
            stage.take_away("vault");
            let served = Served::by(&stage);
            served.until_refused(INVALID_STATE);
            stage.put_back("vault");
            served.until_back();
        })
        .scene("slow, and fast again", Refused, || {
            let stage = staged(HASTY);
            let served = Served::by(&stage);
            served.until_back();
            stage.order("C_GenerateRandom sleep 3000\n");
            let start = Instant::now();
            assert_eq!(served.draw(), Some(TIMEOUT.to_owned()));
            let (took, deadline) = (start.elapsed(), Duration::from_millis(HASTY.deadline_ms));
            // Nobody waits for it longer than that.
            assert!(took >= deadline && took < 3 * deadline, "{took:?}");
            served.relayed.assert_serves("while it is slow");
            stage.order("");
            served.until_back();
        });
    let row = row.scene("removed by the call, and put in again", Refused, || {
        let stage = staged(VAULT);
        let served = Served::by(&stage);
        served.until_back();
        stage.order(&format!("C_GenerateRandom return {CKR_DEVICE_REMOVED}\n"));
        assert_eq!(served.draw(), Some(INTERNAL.to_owned()));
        served.relayed.assert_serves("while it is gone");
        served.until_refused(INVALID_STATE);
        stage.order("");
        served.until_back();
    });
    let row = row.scene("gone while a call is in it, and back", Refused, || {
        let stage = staged(HASTY);
        let served = Served::by(&stage);
        served.until_back();
        stage.order("C_GenerateRandom hold\n");
        // Its caller has been told, and the call is still in the module.
        assert_eq!(served.draw(), Some(TIMEOUT.to_owned()));
        stage.take_away("vault");
        stage.order("");
        served.until_refused(INVALID_STATE);
        served.relayed.assert_serves("while it is gone");
        stage.put_back("vault");
        served.until_back();
    });
    vec![row]
}

/// SoftHSM with a store on it.
fn staged(store: Store<'_>) -> Stage {
    Stage::with(&[store])
}

/// An enclave on a stage, behind the relay.
struct Served {
    relayed: Relayed,
}

impl Served {
    fn by(stage: &Stage) -> Self {
        let configured = |mut enclave: std::process::Command| {
            enclave.arg("--config").arg(stage.path("enclave.toml")).envs(stage.environment());
            enclave
        };
        let relayed = Relayed::changed(configured, |proxy| proxy);
        relayed.assert_serves("whatever its stores do");
        Self { relayed }
    }

    /// Asks for bytes of the store's: the error's name, or none.
    fn draw(&self) -> Option<String> {
        let body = format!(r#"{{"NumberOfBytes":32,"CustomKeyStoreId":"{}"}}"#, VAULT.id);
        let mut talk = self.relayed.connect();
        talk.send(&generate(body));
        let answer = talk.receive();
        if answer.status() == 200 {
            assert_eq!(answer.blob("Plaintext").map(|random| random.len()), Some(32));
            return None;
        }
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        Some(body["__type"].as_str().unwrap().to_owned())
    }

    /// Its requests are refused so at last.
    fn until_refused(&self, error: &str) {
        until(error, || (self.draw()? == error).then_some(()));
        self.relayed.assert_serves("while it is refused");
    }

    /// Its requests are answered at last, without a restart.
    fn until_back(&self) {
        until("the store answers", || self.draw().is_none().then_some(()));
        self.relayed.assert_serves("with it");
    }
}
