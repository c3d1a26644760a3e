//! A model check of the queue between the NSM thread and the callers that wait for entropy blocks.
//!
//! The checker compiles the source of the queue with synchronization primitives that the checker controls.
//! It then runs the steps of the threads in all orders with at most three preemptions. Time never passes in
//! the model. So the checker reports a wait that never ends, for example after a lost wake-up, as a
//! deadlock.
#![cfg(test)]

mod locks;
#[path = "../../../enclave/src/nsm/queue.rs"]
mod queue;
mod queue_tests;
