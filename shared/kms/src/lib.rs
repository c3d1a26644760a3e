//! The wire format of the KMS API (awsJson1_1): operations, their members and limits, and errors.
//!
//! The source is the model `kms/2014-11-01/service-2.json` of botocore. The texts of errors equal those in
//! responses of AWS KMS.

mod custom_key_store;
mod describe_custom_key_stores;
mod error_type;
mod generate_random;
mod json;
mod number_of_bytes;
mod operation;
mod violation;

pub use custom_key_store::{
    ConnectionErrorCode, ConnectionState, CreationDate, CustomKeyStoreType,
    CustomKeyStoresListEntry, XksProxyConfiguration, XksProxyConnectivity,
};
pub use describe_custom_key_stores::{DescribeCustomKeyStores, DescribeCustomKeyStoresResponse};
pub use error_type::{ErrorType, KmsError};
pub use generate_random::{GenerateRandom, GenerateRandomResponse};
pub use json::{JsonError, TokenKind};
pub use number_of_bytes::{MAX_NUMBER_OF_BYTES, NumberOfBytes};
pub use operation::{CONTENT_TYPE, Operation, TARGET_HEADER};
pub use violation::{Constraint, InvalidRequest, Violation};
