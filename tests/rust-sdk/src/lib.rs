//! Nothing but tests: the AWS SDK for Rust as a client of the service.
