//! A model check of the queue between the NSM thread and its callers.
//!
//! The checker runs the queue's own source with synchronization primitives that it controls, and tries all
//! orders of steps. Time never passes, so a wait that never ends, such as after a lost wake-up, is a
//! deadlock.
#![cfg(test)]

mod locks;
#[path = "../../../enclave/src/nsm/queue.rs"]
mod queue;
mod queue_tests;
