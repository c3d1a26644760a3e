//! The metrics and health endpoints of an enclave.

use super::service::on_first;
use super::tls::on_tls;
use crate::guests::Guests;
use crate::kms_calls::NONCE;
use crate::virtual_machine::VirtualMachine;

/// Returns the values of the metrics whose name starts with `name`.
fn values(metrics: &str, name: &str) -> Vec<u64> {
    let name = format!("attested_random_{name}");
    let lines = metrics.lines().filter(|line| line.starts_with(&name));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

fn text((status, body): (u16, Vec<u8>)) -> String {
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{text}");
    text
}

pub(super) fn metrics(guests: &Guests) {
    on_first(guests, |machine| {
        let text = text(machine.service().get("/metrics"));
        for call in ["GetRandom", "Attestation", "DescribePCR", "ExtendPCR", "LockPCR"] {
            let count = values(&text, &format!("nsm_calls_total{{request=\"{call}\"}}"));
            assert!(matches!(count[..], [count] if count > 0), "{call}: {count:?}");
        }
        let faults = values(&text, "nsm_faults_total{");
        assert!(faults.len() > 5 && faults.iter().all(|count| *count == 0), "{text}");
        assert_eq!(values(&text, "ready"), [1]);
    });
}

pub(super) fn serves_nothing_else(guests: &Guests) {
    on_first(guests, |machine| {
        let text = admin(machine, "tls: off: ");
        assert_eq!(values(&text, "tls_handshakes_total{"), [0; 9], "{text}");
    });
}

pub(super) fn serves_plain_beside_tls(guests: &Guests) {
    on_tls(guests, |guest| {
        let text = admin(&guest.machine, "tls: attested: ");
        for outcome in ["full", "resumed", "bad_certificate"] {
            let count = values(&text, &format!("tls_handshakes_total{{outcome=\"{outcome}\"}}"));
            assert!(matches!(count[..], [count] if count > 0), "{outcome}: {text}");
        }
    });
}

/// Checks every endpoint of the admin listener, and that other paths do not exist. `/readyz` names
/// the mode of TLS. Returns the metrics.
fn admin(machine: &VirtualMachine, tls_mode: &str) -> String {
    let admin = machine.admin();
    assert_eq!(admin.get("/healthz"), (200, b"ok\n".to_vec()));
    assert!(admin.tls_line_when_ready().starts_with(tls_mode));
    let rejected = [
        admin.post("/", "{\"NumberOfBytes\":32}"),
        admin.post("/healthz", ""),
        admin.get("/"),
        admin.get(&format!("/attestation?nonce={NONCE}")),
    ];
    for (status, body) in rejected {
        let text = String::from_utf8(body).unwrap();
        assert_eq!(status, 404, "{text}");
        assert!(text.starts_with("not found: only GET /healthz"), "{text}");
    }
    let text = text(admin.get("/metrics"));
    assert_eq!(values(&text, "ready"), [1]);
    text
}
