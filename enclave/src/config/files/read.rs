//! Reading files that may hold secrets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// An error that is told more than once.
pub(super) fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// A whole file, which may hold secrets: it is wiped after use, and read without leaving copies.
pub(in crate::config) fn read(path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    read_all(File::open(path)?, limit)
}

/// All that comes, up to `limit` bytes.
fn read_all(source: impl Read, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // All that is ever read, so that it never grows: a pipe does not say how long it is. What is kept
    // takes no more room than it needs.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if source.take(bound).read_to_end(&mut bytes)? > limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    Ok(Zeroizing::new(bytes.as_slice().to_vec()))
}
