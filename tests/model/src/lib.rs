//! The queue between the NSM's thread and its callers, under every order in which their steps can
//! interleave: its own source, over synchronisation that the model checker steers. What waits for
//! ever is a deadlock to it, a wake-up that was lost among them: time never passes here.
#![cfg(test)]

#[path = "../../../enclave/src/nsm/queue.rs"]
mod queue;
mod queue_tests;
mod sync;
