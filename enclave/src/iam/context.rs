//! What policies see of a request.

use std::fmt::Debug;
use std::net::IpAddr;

use attestation::time::UnixMillis;
use attestation::{PcrFamily, PcrValue, Pcrs};
use kms_api::Operation;

/// What is known of a request. What is `None` is a key that the request does not carry.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is asked for.
    pub action: Operation,
    /// `aws:PrincipalArn`: who asks.
    pub principal_arn: Option<&'a str>,
    /// `aws:CurrentTime`: when; whole seconds count.
    pub now: UnixMillis,
    /// `aws:SecureTransport`: whether over TLS.
    pub secure_transport: Option<bool>,
    /// `aws:SourceIp`: from where.
    pub source_ip: Option<IpAddr>,
    /// `kms:RecipientAttestation:...`: what a *verified* document measured.
    pub measurements: Option<&'a dyn Measurements>,
}

/// The registers that conditions see.
pub trait Measurements: Debug {
    /// Which platform measured: the keys of the other one are absent.
    fn family(&self) -> PcrFamily;

    /// The value of register `index`, if there is one.
    fn value(&self, index: usize) -> Option<&PcrValue>;
}

impl Measurements for Pcrs<'_> {
    fn family(&self) -> PcrFamily {
        Pcrs::family(self)
    }

    fn value(&self, index: usize) -> Option<&PcrValue> {
        Pcrs::value(self, index)
    }
}

/// The name of an operation in policies, such as `kms:GenerateRandom`.
pub const fn action_name(operation: Operation) -> &'static str {
    match operation {
        Operation::GenerateRandom => "kms:GenerateRandom",
        Operation::DescribeCustomKeyStores => "kms:DescribeCustomKeyStores",
    }
}
