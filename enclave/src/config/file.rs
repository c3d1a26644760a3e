//! The tables of the configuration file.

use serde::Deserialize;

use super::audit::AuditTable;
use super::auth::AuthTable;
use super::credential::CredentialTable;
use super::egress::EgressTable;
use super::entropy::EntropyTable;
use super::key_store::KeyStoreTable;
use super::platform::PlatformTable;
use super::receipts::ReceiptsTable;
use super::recipient::RecipientTable;
use super::secret_fields::FieldCounts;
use super::server::ServerTable;
#[cfg(feature = "simulator")]
use super::simulator_table::SimulatorTable;
use super::throttle::ThrottleTable;
use super::tls::TlsTable;
use super::trust::TrustTable;
use super::verification::VerificationTable;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    #[serde(default)]
    pub(super) server: ServerTable,
    #[serde(default)]
    pub(super) trust: TrustTable,
    #[serde(default)]
    pub(super) auth: AuthTable,
    #[serde(default)]
    pub(super) credential: Vec<CredentialTable>,
    #[serde(default)]
    pub(super) recipient: RecipientTable,
    #[serde(default)]
    pub(super) receipts: ReceiptsTable,
    #[serde(default)]
    pub(super) throttle: ThrottleTable,
    #[serde(default)]
    pub(super) audit: AuditTable,
    #[serde(default)]
    pub(super) verification: VerificationTable,
    #[serde(default)]
    pub(super) entropy: EntropyTable,
    #[serde(default)]
    pub(super) platform: PlatformTable,
    #[serde(default)]
    pub(super) tls: TlsTable,
    #[serde(default)]
    pub(super) key_store: Vec<KeyStoreTable>,
    #[serde(default)]
    pub(super) egress: Vec<EgressTable>,
    /// The table `[simulator]`, which only the simulator has. The production binary rejects the table as unknown.
    #[cfg(feature = "simulator")]
    pub(super) simulator: Option<SimulatorTable>,
}

impl ConfigFile {
    /// Counts the secrets and the file names in the deserialized tables.
    pub(super) fn counts(&self) -> FieldCounts {
        let secrets =
            |credential: &CredentialTable| 1 + usize::from(credential.session_token.is_some());
        let policies = |credential: &CredentialTable| credential.policies.len();
        let of_stores = |has: fn(&KeyStoreTable) -> bool| {
            self.key_store.iter().filter(|store| has(store)).count()
        };
        FieldCounts {
            secrets: self.credential.iter().map(secrets).sum(),
            files: self.trust.anchors.len()
                + self.credential.iter().map(policies).sum::<usize>()
                + usize::from(self.tls.certificate.is_some())
                + of_stores(|store| store.trust_anchor_certificate.is_some()),
            secret_files: usize::from(self.tls.private_key.is_some())
                + of_stores(|store| store.pin_file.is_some()),
        }
    }
}
