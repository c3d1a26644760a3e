//! The subjects of the five levels of a chain, in DER, with the form of AWS's.

use crate::der::{self, oid};

/// The root's common name. `make verify-production` checks that production binaries do not contain it.
pub const ROOT_COMMON_NAME: &str = "NITRO SIMULATOR ROOT - DO NOT TRUST";

/// Returns the name of the root.
pub(super) fn root_name() -> Vec<u8> {
    der::name(&[
        (oid::COUNTRY, "US"),
        (oid::ORGANIZATION, "Simulated"),
        (oid::ORGANIZATIONAL_UNIT, "AWS"),
        (oid::COMMON_NAME, ROOT_COMMON_NAME),
    ])
}

/// Returns the name of the regional CA.
pub(super) fn regional_name() -> Vec<u8> {
    der::name(&[
        (oid::COUNTRY, "US"),
        (oid::ORGANIZATION, "Simulated"),
        (oid::ORGANIZATIONAL_UNIT, "AWS"),
        (oid::COMMON_NAME, "0000000000000000.simulated.aws.nitro-enclaves"),
    ])
}

/// Returns the name of the zonal CA. In AWS's chains, the attributes of this name have another order than
/// those of the other names.
pub(super) fn zonal_name() -> Vec<u8> {
    der::name(&[
        (oid::COMMON_NAME, "0000000000000000.zonal.simulated.aws.nitro-enclaves"),
        (oid::ORGANIZATIONAL_UNIT, "AWS"),
        (oid::ORGANIZATION, "Simulated"),
        (oid::COUNTRY, "US"),
        (oid::STATE, "WA"),
        (oid::LOCALITY, "Seattle"),
    ])
}

/// Returns the name of the instance CA.
pub(super) fn instance_name() -> Vec<u8> {
    host_name("i-00000000000000000.simulated.aws.nitro-enclaves")
}

/// Returns the name of the leaf.
pub(super) fn leaf_name() -> Vec<u8> {
    host_name("i-00000000000000000-enc0000000000000000.simulated.aws")
}

fn host_name(common_name: &str) -> Vec<u8> {
    der::name(&[
        (oid::COUNTRY, "US"),
        (oid::STATE, "Washington"),
        (oid::LOCALITY, "Seattle"),
        (oid::ORGANIZATION, "Simulated"),
        (oid::ORGANIZATIONAL_UNIT, "AWS"),
        (oid::COMMON_NAME, common_name),
    ])
}
