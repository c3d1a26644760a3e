//! The layers of each crate.

/// The layers of one crate.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The folder of the crate, relative to the workspace.
    pub folder: &'static str,
    /// The top-level modules of each layer, the highest layer first.
    pub layers: &'static [&'static [&'static str]],
}

/// The layers of every crate of this workspace. Layer 1 is the highest, below the crate root.
pub const TABLE: &[Entry] = &[
    Entry {
        folder: "enclave",
        layers: &[
            &["init"],
            &["service", "process"],
            &["kms", "config", "request_log"],
            &["key_store", "policy"],
            &["audit", "entropy", "platform", "throttle", "attestation_endpoint"],
            &["auth", "nsm", "tls", "http"],
            &["principal", "metrics"],
            &[
                "iam",
                "rate",
                "request",
                "log_channel",
                "clock",
                "crypto_pool",
                "egress",
                "health",
                "measurement",
            ],
        ],
    },
    Entry { folder: "fuzz", layers: &[] },
    Entry { folder: "parent-proxy", layers: &[] },
    Entry { folder: "shared/attestation", layers: &[] },
    Entry { folder: "shared/kms", layers: &[] },
    Entry { folder: "shared/nsm", layers: &[] },
    Entry { folder: "shared/simulator", layers: &[] },
    Entry { folder: "shared/transport", layers: &[] },
    Entry { folder: "tests/attested-recipient", layers: &[] },
    Entry { folder: "tests/suite", layers: &[] },
    Entry {
        folder: "tests/layers",
        layers: &[
            &["check"],
            &["arrows", "report", "table", "workspace"],
            &["graph", "read", "resolve"],
            &["collect"],
            &["cfg", "model", "tokens"],
        ],
    },
];
