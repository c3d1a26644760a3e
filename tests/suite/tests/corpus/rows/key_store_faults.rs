//! Rows F: faults of the HSM of a custom key store. The faults must not affect requests that do not
//! use the store.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binaries::wait_until;
use crate::harness::hsm::softhsm::{CKR_DEVICE_REMOVED, SoftHsm};
use crate::harness::hsm::store_config::{Store, VAULT};
use crate::harness::relayed_enclave::RelayedEnclave;
use crate::harness::requests::generate;
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome::Rejected;

const INVALID_STATE: &str = "CustomKeyStoreInvalidStateException";
const TIMEOUT: &str = "DependencyTimeoutException";
const INTERNAL: &str = "KMSInternalException";

/// A store with a short deadline, so that a request to a slow or stuck HSM soon times out.
const SHORT_DEADLINE: Store<'_> = Store { deadline_ms: 1000, ..VAULT };

pub(crate) fn rows() -> Vec<Row> {
    let row = row("F28", "HSM absent, slow, removed during a call, restored");
    let row = row
        .custom("absent at the start, present later", Rejected, || {
            let hsm = softhsm_with(VAULT);
            hsm.remove_token("vault");
            let enclave = KeyStoreEnclave::start(&hsm);
            enclave.wait_until_rejected(INVALID_STATE);
            hsm.restore_token("vault");
            enclave.wait_until_recovered();
        })
        .custom("slow, then fast", Rejected, || {
            let hsm = softhsm_with(SHORT_DEADLINE);
            let enclave = KeyStoreEnclave::start(&hsm);
            enclave.wait_until_recovered();
            hsm.inject("C_GenerateRandom sleep 3000\n");
            let start = Instant::now();
            assert_eq!(enclave.draw(), Some(TIMEOUT.to_owned()));
            let (elapsed, deadline) =
                (start.elapsed(), Duration::from_millis(SHORT_DEADLINE.deadline_ms));
            // The caller must not wait longer than the deadline.
            assert!(elapsed >= deadline && elapsed < 3 * deadline, "{elapsed:?}");
            enclave.deployment.assert_serves("while the HSM is slow");
            hsm.inject("");
            enclave.wait_until_recovered();
        });
    let row = row.custom("removed by the call, then restored", Rejected, || {
        let hsm = softhsm_with(VAULT);
        let enclave = KeyStoreEnclave::start(&hsm);
        enclave.wait_until_recovered();
        hsm.inject(&format!("C_GenerateRandom return {CKR_DEVICE_REMOVED}\n"));
        assert_eq!(enclave.draw(), Some(INTERNAL.to_owned()));
        enclave.deployment.assert_serves("while the HSM is absent");
        enclave.wait_until_rejected(INVALID_STATE);
        hsm.inject("");
        enclave.wait_until_recovered();
    });
    let row = row.custom("removed during a call, then restored", Rejected, || {
        let hsm = softhsm_with(SHORT_DEADLINE);
        let enclave = KeyStoreEnclave::start(&hsm);
        enclave.wait_until_recovered();
        hsm.inject("C_GenerateRandom hold\n");
        // The caller has the response although the module's function has not returned yet.
        assert_eq!(enclave.draw(), Some(TIMEOUT.to_owned()));
        hsm.remove_token("vault");
        hsm.inject("");
        enclave.wait_until_rejected(INVALID_STATE);
        enclave.deployment.assert_serves("while the HSM is absent");
        hsm.restore_token("vault");
        enclave.wait_until_recovered();
    });
    vec![row]
}

/// Creates a SoftHSM with one store.
fn softhsm_with(store: Store<'_>) -> SoftHsm {
    SoftHsm::with_stores(&[store])
}

/// A relay, and an enclave with a custom key store behind the relay.
struct KeyStoreEnclave {
    deployment: RelayedEnclave,
}

impl KeyStoreEnclave {
    fn start(hsm: &SoftHsm) -> Self {
        let recipient_measurements = |mut command: std::process::Command| {
            command.arg("--config").arg(hsm.path("enclave.toml")).envs(hsm.environment());
            command
        };
        let deployment = RelayedEnclave::with_commands(recipient_measurements, |proxy| proxy);
        deployment.assert_serves("regardless of the store");
        Self { deployment }
    }

    /// Requests random bytes of the store. Returns the error's name, or `None` on success.
    fn draw(&self) -> Option<String> {
        let body = format!(r#"{{"NumberOfBytes":32,"CustomKeyStoreId":"{}"}}"#, VAULT.id);
        let mut connection = self.deployment.connect();
        connection.send(&generate(body));
        let response = connection.receive();
        if response.status() == 200 {
            assert_eq!(response.blob("Plaintext").map(|random| random.len()), Some(32));
            return None;
        }
        let body: Value = serde_json::from_str(response.body()).unwrap();
        Some(body["__type"].as_str().unwrap().to_owned())
    }

    /// Waits until requests to the store fail with this error.
    fn wait_until_rejected(&self, error: &str) {
        wait_until(error, || (self.draw()? == error).then_some(()));
        self.deployment.assert_serves("while the store fails");
    }

    /// Waits until requests to the store succeed without a restart.
    fn wait_until_recovered(&self) {
        wait_until("the store responds", || self.draw().is_none().then_some(()));
        self.deployment.assert_serves("after recovery");
    }
}
