//! Random bytes: the product. `docs/entropy.md` shows how they come about.

mod ctr_drbg;
mod drawn;
mod fault;
mod instances;
pub(crate) mod known_answers;
mod metrics;
mod settings;
mod source;

pub use self::ctr_drbg::DrbgError;
pub use self::drawn::{Drawn, RandomBytes, Wanted};
pub use self::fault::EntropyFault;
pub use self::known_answers::KnownAnswerError;
pub(crate) use self::metrics::EntropyMetrics;
pub use self::settings::{EntropySettings, PredictionResistance};
pub(crate) use self::source::Entropy;
pub use crate::health::HealthFault;

pub use crate::nsm::NsmFault;
