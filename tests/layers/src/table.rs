//! The layers of each crate.

/// The layers of one crate.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The folder of the crate, relative to the workspace.
    pub folder: &'static str,
    /// The top-level modules of each layer, the highest layer first.
    pub layers: &'static [&'static [&'static str]],
}

/// The layers of every crate of this workspace. Layer 1 is the highest layer. Only the crate root
/// is above it.
pub const TABLE: &[Entry] = &[
    Entry {
        folder: "enclave",
        layers: &[
            &["init"],
            &["service", "logging_setup"],
            &["kms", "config", "request_log"],
            &["key_store", "policy"],
            &["audit", "entropy", "platform", "throttle", "attestation_endpoint", "receipts"],
            &["auth", "nsm", "tls", "http"],
            &["principal", "metrics"],
            &[
                "iam",
                "rate",
                "request",
                "log_forwarder",
                "clock",
                "crypto_pool",
                "egress",
                "health",
                "pcr_extension",
            ],
        ],
    },
    Entry {
        folder: "fuzz",
        layers: &[
            &["seeds"],
            &[
                "signed_payload",
                "signed_request",
                "http_request",
                "certificate",
                "cms_open",
                "policy",
                "recipient_key",
                "document",
                "json_body",
                "endpoint",
                "proxy_header",
            ],
            &["connection", "decoders", "placeholder"],
            &["fixture", "shortest_form"],
        ],
    },
    Entry {
        folder: "parent-proxy",
        layers: &[
            &["proxy"],
            &["background_services", "upgrade"],
            &["admin", "reload", "upgrade_predecessor"],
            &["direct_listeners"],
            &["relay", "status"],
            &["worker", "connections", "connection"],
            &[
                "health_check",
                "rejected_handshakes",
                "scrape",
                "config_server",
                "log_receiver",
                "listeners",
                "relay_context",
            ],
            &["peer_policy", "systemd"],
            &["upstream_pool"],
            &["pump", "upstream", "limiter"],
            &[
                "half_pipe",
                "recent_handshakes",
                "upstream_selection",
                "health_probe",
                "handover",
                "single_flight",
                "log_file",
            ],
            &[
                "activity",
                "decaying_count",
                "config",
                "descriptors",
                "drain",
                "metrics",
                "timeouts",
            ],
        ],
    },
    Entry {
        folder: "shared/attestation",
        layers: &[
            &["verifier", "receipt"],
            &["document"],
            &["chain", "verifier_caches", "claims", "cms"],
            &[
                "trust_anchors",
                "parsed_document",
                "recipient_key",
                "signature_cache",
                "tls",
                "measurements",
                "identity",
                "audit_digest",
                "audit_stream",
            ],
            &[
                "cose_sign1",
                "debug_mode",
                "document_age",
                "nsm_timestamp",
                "payload",
                "sig_structure",
                "signed_statement",
                "content_key",
            ],
            &["certificate"],
            &["validity", "x509", "pcr"],
            &["malformed_document", "untrusted_document", "crypto", "cache_hit"],
            &["cbor", "verification_rule", "verification_time", "chain_position"],
            &["time"],
        ],
    },
    Entry {
        folder: "shared/kms",
        layers: &[
            &["generate_random", "describe_custom_key_stores", "operation", "error_type"],
            &["custom_key_store", "violation", "number_of_bytes"],
            &["json"],
        ],
    },
    Entry { folder: "shared/nsm", layers: &[&["exchange"], &["ioctl"]] },
    Entry {
        folder: "shared/simulator",
        layers: &[
            &["nsm", "state_file", "document_builder"],
            &["simulated_pki", "fault_injection", "call_counter"],
            &["document_spec"],
            &["chain"],
            &["root"],
            &["distinguished_names", "issued_certificate"],
            &["certificate"],
            &["key"],
            &["der"],
        ],
    },
    Entry {
        folder: "shared/transport",
        layers: &[
            &[
                "acceptor",
                "logging",
                "client_network",
                "command_line",
                "detached_stream",
                "nonblocking_writer",
                "proxy_header",
                "signals",
            ],
            &["listener", "log_throttle"],
            &["stream", "unix_socket"],
            &["error", "vsock_mux"],
            &["endpoint", "limits"],
        ],
    },
    Entry {
        folder: "tests/attested-recipient",
        layers: &[
            &["cli"],
            &["simulator"],
            &["client"],
            &["exchange"],
            &["document", "credentials", "expectations", "measurements", "retries", "eif"],
            &["recipient"],
        ],
    },
    Entry { folder: "tests/suite", layers: &[] },
    Entry {
        folder: "tests/layers",
        layers: &[
            &["check"],
            &["dependency_graphs", "report", "table", "workspace"],
            &["graph", "read", "resolve", "finding"],
            &["collect"],
            &["cfg", "model", "tokens"],
            &["unreadable"],
        ],
    },
];
