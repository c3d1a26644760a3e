//! The metadata section: JSON that describes an image. It is not measured.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The metadata of an image. `nitro-cli describe-eif` requires all members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Metadata {
    pub(crate) image_name: String,
    pub(crate) image_version: String,
    pub(crate) build_metadata: BuildMetadata,
    /// Output of `docker inspect`, if the image was built from a Docker image.
    pub(crate) docker_info: Value,
    /// Additional data of the build tool.
    pub(crate) custom_metadata: Value,
}

/// Information about the build of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BuildMetadata {
    /// Time of the build, in RFC 3339 format.
    pub(crate) build_time: String,
    pub(crate) build_tool: String,
    pub(crate) build_tool_version: String,
    pub(crate) operating_system: String,
    pub(crate) kernel_version: String,
}
