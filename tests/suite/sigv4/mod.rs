//! A service that looks at signatures and policies, for whichever client: `config.toml`, who is
//! who in it, and what comes of each attempt.

mod skew;
pub(crate) mod table;
mod trail;

pub(crate) use skew::{Clocks, Skew};
pub(crate) use trail::{Attempt, Trail, simulator};
