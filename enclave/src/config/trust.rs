//! The table `[trust]`.

use std::io;
use std::path::{Path, PathBuf};

use attestation::{AnchorError, Trust, TrustAnchors};
use serde::Deserialize;
use thiserror::Error;

use super::bundle::ConfigBundle;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustTable {
    /// The names of PEM files with additional root certificates, such as those of another AWS partition.
    #[serde(default)]
    pub(super) anchors: Vec<PathBuf>,
}

impl TrustTable {
    /// Adds the anchors in all files to `anchors`.
    pub(super) fn add_to<T: Trust>(
        &self,
        anchors: &mut TrustAnchors<T>,
        bundle: &ConfigBundle,
    ) -> Result<(), InvalidTrust> {
        let mut names = self.anchors.iter().zip(1..);
        names.try_for_each(|(name, number)| add_anchors_of(number, bundle, name, anchors))
    }
}

/// Adds the anchors in the file `name`. The file is entry `number` of the list, counted from 1.
fn add_anchors_of<T: Trust>(
    number: usize,
    bundle: &ConfigBundle,
    name: &Path,
    anchors: &mut TrustAnchors<T>,
) -> Result<(), InvalidTrust> {
    let path = bundle.path_of(name);
    let pem = match bundle.file(name) {
        Ok(pem) => pem,
        Err(error) => return Err(InvalidTrust::Read { number, path, error }),
    };
    match anchors.add_pem(pem) {
        Ok(fingerprints) => {
            for sha256 in fingerprints {
                let sha256 = const_hex::encode(sha256);
                // The holder of this root's private key can forge attestation documents. A forged document
                // can contain any recipient key.
                let path = path.display();
                tracing::warn!(%path, sha256, "an additional root certificate is trusted");
            }
            Ok(())
        }
        Err(error) => Err(InvalidTrust::Anchors { number, path, error }),
    }
}

/// The error for the table `[trust]`. Entries are numbered from 1.
#[derive(Debug, Error)]
pub enum InvalidTrust {
    /// An anchor file that cannot be read.
    #[error("[trust] anchors, entry {number}: {}: {error}", path.display())]
    Read {
        /// The number of the entry, from 1.
        number: usize,
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// An anchor file without a valid anchor.
    #[error("[trust] anchors, entry {number}: {}: {error}", path.display())]
    Anchors {
        /// The number of the entry, from 1.
        number: usize,
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: AnchorError,
    },
}
