//! Checks of an enclave that runs as PID 1 in a virtual machine.

mod admin;
mod failed_boots;
mod pkcs11;
mod reboot;
mod receipts;
mod service;
mod sockets;
mod tls;

use crate::guests::Guests;

type Check = fn(&Guests);

/// The checks, in the order in which their enclaves are booted.
pub(crate) const ALL: [(&str, Check); 34] = [
    ("boots, sends its heartbeat, receives its configuration and is ready", service::ready),
    ("boto3 receives 1, 32 and 1024 bytes", service::boto3_plain),
    ("boto3 receives sealed bytes, which OpenSSL decrypts", service::boto3_sealed),
    ("receipts verify with the key in the enclave's document", receipts::verify),
    ("rejects a simulator's document", service::rejects_simulator_document),
    ("rejects QEMU's own unsigned document", service::rejects_unsigned_document),
    ("PCR0 to PCR2 match pcrs.json, PCR3 and PCR4 the parent", service::measurements),
    ("PCR16 and PCR17 match the configuration", service::configuration),
    ("serves 64 concurrent clients", service::concurrent_clients),
    ("/metrics counts NSM calls and no fault", admin::metrics),
    ("the admin listener serves only health and metrics", admin::serves_nothing_else),
    ("the console shows no secret and no request content", service::console),
    ("a changed configuration byte changes PCR16 only", reboot::one_byte_changes_pcr16),
    ("denies plaintext without TLS by default", reboot::denies_plaintext_without_tls),
    ("returns other bytes after a reboot", reboot::reboot),
    ("boto3 with the CA receives plain and sealed bytes over TLS", tls::boto3),
    ("boto3 without the CA rejects the enclave", tls::boto3_without_the_authority),
    ("OpenSSL verifies each name in both versions and resumes", tls::openssl),
    ("the enclave's document binds its TLS authority", tls::binding),
    ("attested-recipient trust rejects an unsigned document", tls::trust),
    ("rejects connections without TLS when TLS is on", tls::without_tls),
    ("serves 64 concurrent clients over TLS", tls::concurrent_clients),
    ("accepts large requests and half-closed clients over TLS", tls::large_and_half_closed),
    ("the admin listener serves plain HTTP when TLS is on", admin::serves_plain_beside_tls),
    ("the console shows no key and no request content with TLS", tls::console),
    ("a configuration in the image is measured in PCR2", reboot::configuration_in_image),
    ("opens only vsock sockets", sockets::all_are_vsock),
    ("the PKCS#11 image boots, is ready and is measured", pkcs11::ready),
    ("boto3 receives bytes of a local and of a networked HSM", pkcs11::key_stores),
    ("stops with an error without the NSM driver", failed_boots::without_nsm),
    ("stops with an error when the NSM returns zeros", failed_boots::with_zero_entropy),
    ("stops with an error for an invalid configuration", failed_boots::with_invalid_configuration),
    ("stops with an error for an HSM in the default image", failed_boots::with_a_key_store),
    ("stops with an error when the parent does not respond", failed_boots::without_heartbeat),
];
