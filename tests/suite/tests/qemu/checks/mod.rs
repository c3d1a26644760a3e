//! Checks of an enclave that runs as PID 1 in a virtual machine.

mod admin;
mod failed_boots;
mod pkcs11;
mod reboot;
mod service;
mod sockets;
mod tls;

use crate::guests::Guests;

type Check = fn(&Guests);

/// The checks, in the order in which their enclaves are booted.
pub(crate) const ALL: [(&str, Check); 33] = [
    ("it boots, sends its heartbeat, takes its configuration and is ready", service::ready),
    ("boto3 gets 1, 32 and 1024 bytes", service::boto3_plain),
    (
        "boto3 gets sealed bytes for documents under a configured root; OpenSSL opens them",
        service::boto3_sealed,
    ),
    ("a simulator's document is refused", service::rejects_simulator_document),
    ("QEMU's own document, which is not signed, is refused", service::rejects_unsigned_document),
    (
        "PCR0 to PCR2 are those of pcrs.json, PCR3 and PCR4 those of the parent",
        service::measurements,
    ),
    ("PCR16 and PCR17 are those of the configuration", service::configuration),
    ("64 clients at a time are served", service::concurrent_clients),
    ("/metrics shows the calls of the NSM and no fault", admin::metrics),
    ("the admin listener shows health and metrics, and nothing else", admin::serves_nothing_else),
    ("the console shows no secret and nothing of a request", service::console),
    (
        "another configuration by one byte shows in PCR16, and in no other register",
        reboot::one_byte_changes_pcr16,
    ),
    (
        "without TLS, and unless told to, it answers nobody in plain",
        reboot::denies_plaintext_without_tls,
    ),
    ("after a reboot there are other bytes", reboot::reboot),
    ("over TLS boto3 with the enclave's authority gets plain and sealed bytes", tls::boto3),
    ("boto3 without it refuses", tls::boto3_without_the_authority),
    ("OpenSSL verifies each name, in both versions, and resumes", tls::openssl),
    ("the own document binds the authority that TLS ends at", tls::binding),
    ("attested-recipient trust refuses a document that is not signed", tls::trust),
    ("without TLS nobody is answered where it ends in the enclave", tls::without_tls),
    ("64 clients at a time are served over TLS", tls::concurrent_clients),
    (
        "over TLS a request may be large, and its sender done with sending",
        tls::large_and_half_closed,
    ),
    ("the admin listener answers in plain beside TLS", admin::serves_plain_beside_tls),
    ("with TLS too the console shows no key and nothing of a request", tls::console),
    (
        "with the configuration in the image nothing is asked of the parent, PCR2 measures it, and \
         TLS ends at another authority",
        reboot::configuration_in_image,
    ),
    ("no socket is of another kind than vsock", sockets::all_are_vsock),
    ("the flavour with PKCS#11 boots, is ready, and is measured", pkcs11::ready),
    (
        "boto3 gets bytes of an HSM in the image, and of one that is reached through the parent",
        pkcs11::key_stores,
    ),
    ("without the driver of the NSM it stops and says so", failed_boots::without_nsm),
    ("with an NSM that gives zeros it stops and says so", failed_boots::with_zero_entropy),
    (
        "with a configuration that is none it stops and says so",
        failed_boots::with_invalid_configuration,
    ),
    ("the default image with an HSM to connect stops and says so", failed_boots::with_a_key_store),
    ("with a parent that does not answer it stops and says so", failed_boots::without_heartbeat),
];
