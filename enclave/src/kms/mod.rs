//! The KMS operations: steps 2 to 8 of a request, as `src/lib.rs` lists them.

mod api;
mod describe_custom_key_stores;
mod error_mapping;
mod generate_random;
mod handler;
mod headers;
mod metrics;
mod response;

pub(crate) use self::api::Api;
pub(crate) use self::error_mapping::ApiError;
pub(crate) use self::handler::Handler;
pub(crate) use self::metrics::ApiMetrics;
