//! A `[[key_store]]` entry of a configuration.

use std::path::Path;

/// The settings that differ between stores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// The line that selects the token.
    pub(crate) token: &'a str,
    /// The line that sets the PIN's source.
    pub(crate) pin: &'a str,
    pub(crate) deadline_ms: u64,
    pub(crate) connect: bool,
}

/// A store on the token that every [`SoftHsm`](super::softhsm::SoftHsm) has.
pub(crate) const VAULT: Store<'_> = Store {
    id: "cks-1234567890abcdef0",
    name: "vault",
    token: r#"token_label = "vault""#,
    pin: r#"pin_file = "pin""#,
    // A slow machine does not reach this deadline.
    deadline_ms: 10_000,
    connect: true,
};

/// A store on another token, with another PIN.
pub(crate) const SPARE: Store<'_> = Store {
    id: "cks-0fedcba0987654321",
    name: "spare",
    token: r#"token_label = "spare""#,
    pin: r#"pin_file = "spare.pin""#,
    ..VAULT
};

/// An external key store.
pub(crate) const EXTERNAL: &str = r#"
[[key_store]]
id = "cks-eeeeeeeeeeeeeeeee"
name = "elsewhere"
type = "EXTERNAL_KEY_STORE"
uri = "https://xks.example.com/team/kms/xks/v1"
"#;
pub(crate) const EXTERNAL_ID: &str = "cks-eeeeeeeeeeeeeeeee";

impl Store<'_> {
    /// Returns the cluster id, which is derived from the store's id.
    pub(crate) fn cluster_id(&self) -> String {
        // A cluster id has one digit fewer than a store id.
        format!("cluster-{}", self.id.chars().skip(5).collect::<String>())
    }

    /// Returns the entry as TOML, with its module at `module`.
    pub(crate) fn toml(&self, module: &Path) -> String {
        let Self { id, name, token, pin, deadline_ms, connect } = self;
        let cluster_id = self.cluster_id();
        format!(
            "\n[[key_store]]\nid = \"{id}\"\nname = \"{name}\"\ntype = \"AWS_CLOUDHSM\"\n\
             module = \"{}\"\n{token}\n{pin}\ncluster_id = \"{cluster_id}\"\n\
             deadline_ms = {deadline_ms}\nconnect = {connect}\n",
            module.display()
        )
    }
}
