//! What the queue is synchronised by, steered by the model checker.

pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
