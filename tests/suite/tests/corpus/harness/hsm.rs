//! The SoftHSM of the key stores' tests, and the PKCS#11 module before it that breaks as it is told.

#[path = "../../key_stores/softhsm.rs"]
#[allow(dead_code, reason = "the key stores' tests use the rest")]
pub(crate) mod softhsm;
#[path = "../../key_stores/store_config.rs"]
#[allow(dead_code, reason = "the key stores' tests use the rest")]
pub(crate) mod store_config;
