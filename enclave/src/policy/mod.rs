//! Who gets what: the one place that makes an [`Admitted`], without which nothing is drawn.

mod admitted;
pub mod iam;

pub use admitted::{Admitted, DeliveryError};
