//! Fetches the configuration bundle from the parent instance.
//!
//! The parent sends the archive and closes the connection. The parent can send any bundle. PCR16 and PCR17
//! measure the bundle, so that clients can detect a different one.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};
use transport::{Endpoint, Stream, connect};
use zeroize::Zeroizing;

use super::archive::MAX_ARCHIVE_LENGTH;
use super::{BundleError, ConfigBundle};

/// Pause between two attempts. The parent may not be ready at the first attempt.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Maximum duration of one transfer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

impl ConfigBundle {
    /// Fetches the archive from `endpoint` on the parent. Retries until a transfer completes.
    ///
    /// # Errors
    /// If a complete archive arrived, but `from_archive` rejects this archive.
    pub async fn from_parent(endpoint: &Endpoint) -> Result<Self, BundleError> {
        let mut last_error = String::new();
        loop {
            let error = match connect(endpoint).await {
                Ok(stream) => match fetch(stream).await {
                    Ok(archive) => return Self::from_archive(Path::new("(parent)"), &archive),
                    Err(error) => error,
                },
                Err(error) => error.source,
            };
            // Logs an error only if it differs from the previous error.
            let error = error.to_string();
            if last_error != error {
                tracing::warn!(error, %endpoint, "cannot fetch the configuration, retrying");
                last_error = error;
            }
            sleep(RETRY_INTERVAL).await;
        }
    }
}

async fn fetch(stream: Stream) -> io::Result<Zeroizing<Vec<u8>>> {
    timeout(FETCH_TIMEOUT, read_to_end(stream)).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the transfer did not end within {} s", FETCH_TIMEOUT.as_secs()),
        ))
    })
}

/// Reads `stream` to its end, but at most one byte more than the longest archive has. That byte shows that the
/// archive is too long. The buffer is never reallocated, so no copies of secrets remain in memory.
async fn read_to_end(stream: impl AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut archive = Zeroizing::new(Vec::with_capacity(MAX_ARCHIVE_LENGTH + 1));
    let limit = u64::try_from(MAX_ARCHIVE_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    let mut stream = stream.take(limit);
    // A read into a full buffer would reallocate the buffer.
    while archive.len() < archive.capacity() && stream.read_buf(&mut *archive).await? > 0 {}
    match archive.len() {
        0 => Err(io::Error::other("the parent sent nothing: see the log of parent-proxy")),
        // A tar archive ends with two zero blocks. If they are missing, the transfer was interrupted.
        1..=MAX_ARCHIVE_LENGTH if !archive.ends_with(&[0; 1024]) => {
            Err(io::Error::other("the parent sent an incomplete archive, or no archive"))
        }
        1..=MAX_ARCHIVE_LENGTH => Ok(archive),
        _ => Err(io::Error::other(format!(
            "the archive is longer than {} MiB",
            MAX_ARCHIVE_LENGTH / 1024 / 1024
        ))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use transport::listen;

    use super::*;
    use crate::config::TOML_NAME;
    use crate::config::bundle::archive::{ArchiveFiles, encode};

    #[tokio::test]
    async fn reads_archive_up_to_the_size_limit() {
        let whole = [&[7; 512][..], &[0; 1024]].concat();
        let archive = read_to_end(&whole[..]).await.unwrap();
        assert_eq!((archive.as_slice(), archive.capacity()), (&whole[..], MAX_ARCHIVE_LENGTH + 1));
        for (bytes, expected) in [
            (&whole[..0], "the parent sent nothing: see the log of parent-proxy"),
            (&whole[..1535], "the parent sent an incomplete archive, or no archive"),
            (&whole[..512], "the parent sent an incomplete archive, or no archive"),
        ] {
            assert_eq!(read_to_end(bytes).await.unwrap_err().to_string(), expected);
        }
        let error = read_to_end(tokio::io::repeat(0)).await.unwrap_err().to_string();
        assert_eq!(error, "the archive is longer than 8 MiB");
    }

    /// Fetches from a parent that first sends nothing, then a truncated archive, then the complete archive.
    #[tokio::test(start_paused = true)]
    async fn retries_until_the_archive_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("parent"));
        let listener = listen(&endpoint).await.unwrap();
        let toml = "[recipient]\nrequire = true\n";
        let archive = encode(&ArchiveFiles::from([(TOML_NAME, toml.as_bytes())])).unwrap();
        let parent = async {
            for bytes in [&archive[..0], &archive[..700], &archive[..]] {
                let mut stream = listener.accept().await.unwrap();
                stream.write_all(bytes).await.unwrap();
            }
        };
        let (files, ()) = tokio::join!(ConfigBundle::from_parent(&endpoint), parent);
        assert_eq!(files.unwrap().toml(), toml);
    }
}
