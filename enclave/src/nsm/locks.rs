//! The synchronization primitives of the queue. The model check (`tests/model`) replaces this module.

pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
