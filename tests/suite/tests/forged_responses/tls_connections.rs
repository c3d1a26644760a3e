//! Relays between a client and an enclave with attested TLS.

use std::fs;

use attested_recipient::Simulator;

use crate::clients::RelayedService;
use crate::tls_interceptor::TlsInterceptor;
use crate::victims::ClientKind;

/// Starts an enclave with attested TLS, and nothing that clients could verify by name.
fn enclave() -> Simulator {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("enclave.toml");
    fs::write(&file, "[tls]\nmode = \"attested\"\nnames = [\"enclave.internal\"]\n").unwrap();
    Simulator::builder().config_file(file).start().unwrap()
}

#[test]
fn clients_accept_a_relay_that_passes_attested_tls_on() {
    let relayed = RelayedService::enclave(enclave());
    for kind in ClientKind::ALL {
        let victim = kind.start(relayed.endpoint_url());
        let [first, second] = [(); 2].map(|()| victim.random(None).unwrap());
        assert_eq!((first.len(), second.len()), (32, 32));
        assert_ne!(first, second);
    }
}

#[test]
fn clients_reject_a_relay_that_terminates_tls() {
    let enclave = enclave();
    let relay = TlsInterceptor::in_front_of(enclave.address());
    for kind in ClientKind::ALL {
        kind.start(&relay.url())
            .assert_rejects(None, "TLS does not end in the enclave that signed the document");
    }
}
