//! Bounded reads of the files that are named on the command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::CommandError;

/// Maximum length of a file, in bytes. It is the service's limit for a file of its configuration, such
/// as a policy. Documents, sealed responses and keys are far shorter.
const MAX_FILE_LENGTH: u64 = 1024 * 1024;

/// Reads a file of at most 1 MiB. The limit stops the read of a device that has no end.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_at_most(MAX_FILE_LENGTH, path)
}

/// Reads a file of at most `max_length` bytes.
pub(super) fn read_at_most(max_length: u64, path: &Path) -> Result<Vec<u8>, CommandError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(max_length + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_length) {
            Ok(bytes)
        } else {
            let (kib, mib) = (max_length / 1024, max_length / (1024 * 1024));
            let limit = if mib > 0 { format!("{mib} MiB") } else { format!("{kib} KiB") };
            Err(io::Error::other(format!("the file is longer than {limit}")))
        }
    };
    read().map_err(|error| CommandError::File { path: path.to_owned(), error })
}
