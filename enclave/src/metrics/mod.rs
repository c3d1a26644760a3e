//! Metrics in the text format of OpenMetrics 1.0: the registry and the histogram.
//!
//! Each subsystem registers its own metrics. No label value comes from a caller, and no metric contains or
//! reveals random bytes.

mod histogram;
mod registry;

pub(crate) use self::histogram::Histogram;
pub(crate) use self::registry::{CONTENT_TYPE, Label, MetricsRegistry, labelled};
