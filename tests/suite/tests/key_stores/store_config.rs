//! A `[[key_store]]` of a configuration.

use std::path::Path;

/// What differs from one to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// The line that says which token.
    pub(crate) token: &'a str,
    /// The line that says where the PIN is.
    pub(crate) pin: &'a str,
    pub(crate) deadline_ms: u64,
    pub(crate) connect: bool,
}

/// On the token that every [`SoftHsm`](super::softhsm::SoftHsm) has.
pub(crate) const VAULT: Store<'_> = Store {
    id: "cks-1234567890abcdef0",
    name: "vault",
    token: r#"token_label = "vault""#,
    pin: r#"pin_file = "pin""#,
    // Machines that run tests are slow, and this is not to be met by chance.
    deadline_ms: 10_000,
    connect: true,
};

/// On another token, with another PIN.
pub(crate) const SPARE: Store<'_> = Store {
    id: "cks-0fedcba0987654321",
    name: "spare",
    token: r#"token_label = "spare""#,
    pin: r#"pin_file = "spare.pin""#,
    ..VAULT
};

/// An external one.
pub(crate) const EXTERNAL: &str = r#"
[[key_store]]
id = "cks-eeeeeeeeeeeeeeeee"
name = "elsewhere"
type = "EXTERNAL_KEY_STORE"
uri = "https://xks.example.com/team/kms/xks/v1"
"#;
pub(crate) const EXTERNAL_ID: &str = "cks-eeeeeeeeeeeeeeeee";

impl Store<'_> {
    /// That of its cluster: each store has its own.
    pub(crate) fn cluster_id(&self) -> String {
        // After `cks-` there is one digit more than a cluster's id may have.
        format!("cluster-{}", self.id.chars().skip(5).collect::<String>())
    }

    /// As it is written, with its module at `module`.
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
