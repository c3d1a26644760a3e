//! The KMS operations: steps 2 to 8 of a request, as `src/lib.rs` lists them.

mod api;
mod api_error;
mod describe_custom_key_stores;
mod generate_random;
mod handler;
mod headers;
mod metrics;
mod response;
mod unknown_operation;

pub(crate) use self::api::Api;
pub(crate) use self::api_error::ApiError;
pub(crate) use self::handler::Handler;
pub(crate) use self::metrics::ApiMetrics;
