//! What both sides of a wire agree on, as pure functions over bytes.

#[cfg(all(production, feature = "simulator"))]
compile_error!("the feature `simulator` must not be part of a production build");

#[cfg(feature = "transport")]
pub mod transport;
