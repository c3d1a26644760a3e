//! The metadata section: JSON that describes an image and is not measured.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `nitro-cli describe-eif` wants to find, all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Metadata {
    pub(crate) image_name: String,
    pub(crate) image_version: String,
    pub(crate) build_metadata: BuildMetadata,
    /// What `docker inspect` said, where a Docker image was the source.
    pub(crate) docker_info: Value,
    /// Whatever the builder adds.
    pub(crate) custom_metadata: Value,
}

/// How an image was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BuildMetadata {
    /// RFC 3339.
    pub(crate) build_time: String,
    pub(crate) build_tool: String,
    pub(crate) build_tool_version: String,
    pub(crate) operating_system: String,
    pub(crate) kernel_version: String,
}
