//! What both sides of a wire agree on, as pure functions over bytes: the KMS API ([`kms`]),
//! attestation documents ([`attestation`]), what is sealed to their keys ([`cms`]), the Nitro
//! Secure Module ([`nsm`]), what binds TLS to a document ([`tls`]) and how the parts reach each other ([`transport`]).
//!
//! Time, randomness and trust anchors are parameters. The crypto provider is named in [`crypto`]
//! alone. The feature `simulator` adds a forged Nitro world; a production build refuses it.

#[cfg(all(production, feature = "simulator"))]
compile_error!("the feature `simulator` must not be part of a production build");

#[cfg(feature = "attestation")]
pub mod attestation;
#[cfg(feature = "attestation")]
pub mod cms;
#[cfg(feature = "attestation")]
pub mod crypto;
#[cfg(feature = "kms")]
pub mod kms;
#[cfg(feature = "transport")]
pub mod lines;
#[cfg(feature = "logging")]
pub mod logging;
#[cfg(feature = "nsm")]
pub mod nsm;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "transport")]
pub mod transport;
