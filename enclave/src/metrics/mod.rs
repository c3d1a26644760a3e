//! Metrics in the text format of OpenMetrics 1.0: the registry, and the kinds of metrics.
//!
//! Each subsystem registers metrics of its own. No label's value comes from a caller, and no value is a
//! random byte or tells of one.

mod histogram;
mod registry;

pub(crate) use self::histogram::Histogram;
pub(crate) use self::registry::{CONTENT_TYPE, Label, MetricsRegistry, labelled};
