//! The attributes of a request that policy conditions can read.

use std::fmt::Debug;
use std::net::IpAddr;

use attestation::time::UnixMillis;
use attestation::{PcrFamily, PcrValue, Pcrs};
use kms_api::Operation;

/// The attributes of a request. An attribute is `None` if the request does not have the condition key.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The operation.
    pub action: Operation,
    /// `aws:PrincipalArn`: the ARN of the caller.
    pub principal_arn: Option<&'a str>,
    /// `aws:CurrentTime`, compared in whole seconds.
    pub now: UnixMillis,
    /// `aws:SecureTransport`: whether the request came over TLS.
    pub secure_transport: Option<bool>,
    /// `aws:SourceIp`: the address of the client.
    pub source_ip: Option<IpAddr>,
    /// `kms:RecipientAttestation:...`: the measurements of a *verified* document.
    pub measurements: Option<&'a dyn Measurements>,
}

/// The registers that conditions can read.
pub trait Measurements: Debug {
    /// Returns the family of the registers: Nitro Enclave or NitroTPM. The request has no condition keys of the other
    /// family.
    fn family(&self) -> PcrFamily;

    /// Returns the value of register `index`, if there is one.
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

/// Returns the name of an operation in policies, such as `kms:GenerateRandom`.
pub const fn action_name(operation: Operation) -> &'static str {
    match operation {
        Operation::GenerateRandom => "kms:GenerateRandom",
        Operation::DescribeCustomKeyStores => "kms:DescribeCustomKeyStores",
    }
}
