//! The source of the random bytes that callers receive. `docs/entropy.md` describes the steps of the
//! source.

mod ctr_drbg;
mod draw;
mod drbg_pool;
mod fault;
pub(crate) mod known_answers;
mod metrics;
mod reseed;
mod settings;
mod source;

pub use self::ctr_drbg::DrbgError;
pub use self::draw::{Draw, DrawRequest, RandomBytes};
pub use self::fault::EntropyFault;
pub use self::known_answers::KnownAnswerError;
pub(crate) use self::metrics::EntropyMetrics;
pub use self::reseed::ReseedPolicy;
pub use self::settings::EntropySettings;
pub(crate) use self::source::EntropySource;
pub use crate::health::HealthFault;

pub use crate::nsm::NsmFault;
