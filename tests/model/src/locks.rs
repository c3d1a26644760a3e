//! The synchronization primitives of the queue, controlled by the model checker.

pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
