//! An attested recipient for your tests. The library contains:
//!
//! - a simulated enclave that serves the KMS API on a free loopback port
//! - keys of recipients
//! - attestation documents, signed under the simulator's own root
//! - the decryption of sealed responses
//!
//! ```
//! use attested_recipient::{Document, RecipientKey, Simulator};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let simulator = Simulator::start()?; // any KMS SDK can use simulator.endpoint_url()
//! let key = RecipientKey::generate()?;
//! let document = simulator.document(&Document::for_key(&key))?;
//!
//! let sealed = simulator.client()?.generate_random_for(32, &document)?;
//! assert_eq!(key.open(&sealed)?.len(), 32);
//! # Ok(())
//! # }
//! ```

pub mod audit;
mod client;
mod credentials;
mod document;
mod exchange;
mod expectations;
mod http1;
mod measurements;
mod printable;
pub mod proxy;
mod recipient;
mod retries;
mod simulator;
mod unauthenticated_tls;
pub mod verified_connection;

pub use attestation::cms::{OpenError, PrivateKeyError};
pub use attestation::receipt::AllowedSources;
pub use attestation::time::UnixMillis;
pub use attestation::{InvalidMeasurements, MeasurementSet, MeasurementSets};
pub use client::{Client, ClientError};
pub use credentials::Credentials;
pub use document::{Document, Kind};
pub use exchange::{
    ContentKey, DisclosureError, ExchangeError, InvalidExchange, MAX_EXCHANGE_FILE_LENGTH,
    StoredExchange, VerifiedExchange,
};
pub use expectations::Expectations;
#[doc(hidden)]
pub use expectations::names_simulator_root;
pub use measurements::{Measurements, MeasurementsError};
pub use recipient::RecipientKey;
#[doc(hidden)]
pub use retries::Retries;
pub use simulator::{Simulator, SimulatorBuilder, SimulatorError};
#[doc(hidden)]
pub use unauthenticated_tls::unauthenticated_tls;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
