//! Reads files that may contain secrets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// Returns a copy of `error`, so that one error can be reported more than once.
pub(super) fn copy_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Reads a whole file of at most `limit` bytes. The content is wiped on drop, and no copies remain in memory.
pub(in crate::config) fn read(path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    read_all(File::open(path)?, limit)
}

/// Reads to the end of `source`. Rejects a source of more than `limit` bytes.
fn read_all(source: impl Read, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // The buffer has room for `limit` + 1 bytes, so it is never reallocated. The length of the file cannot take the
    // place of `limit`, because a pipe, for example, has no known length. The result has no spare capacity.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if source.take(bound).read_to_end(&mut bytes)? > limit {
        return Err(io::Error::other(format!(
            "the file is longer than {} MiB",
            limit / 1024 / 1024
        )));
    }
    Ok(Zeroizing::new(bytes.as_slice().to_vec()))
}
