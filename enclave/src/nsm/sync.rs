//! What the queue is synchronised by. Its model check names another library's here.

pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
