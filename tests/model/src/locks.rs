//! The synchronization primitives of the queue. The model checker controls them.

pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
