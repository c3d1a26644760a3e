//! SoftHSM and the fault-injecting PKCS#11 module of the key store tests.

#[path = "../../key_stores/softhsm.rs"]
#[allow(dead_code, reason = "the key store tests use the other items")]
pub(crate) mod softhsm;
#[path = "../../key_stores/store_config.rs"]
#[allow(dead_code, reason = "the key store tests use the other items")]
pub(crate) mod store_config;
