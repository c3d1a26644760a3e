//! Tests of the AWS SDK for Rust as a client of the service. The library itself is empty.
