//! The KMS operations: steps 2 to 8 of a request.

mod api;
mod describe_custom_key_stores;
mod error;
mod generate_random;
mod generator;
mod head;
mod metrics;
mod response;

pub(crate) use self::api::Api;
pub(crate) use self::error::Refusal;
pub(crate) use self::generator::Generator;
pub(crate) use self::metrics::ApiMetrics;
