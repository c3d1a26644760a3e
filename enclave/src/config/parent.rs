//! The configuration from the parent instance, which an image may leave to it: an archive, from the
//! beginning of a connection to its end. Whatever it is, it is measured.

use std::io;
use std::path::Path;
use std::time::Duration;

use shared::transport::{Endpoint, Episode, Stream, connect};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::archive::MAX_ARCHIVE_LENGTH;
use super::error::ConfigError;
use super::files::Files;

/// How long after an attempt that failed the next one is made: the parent may not be ready.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// How long the archive may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Files {
    /// Those that `endpoint` on the parent gives. As long as there is nobody, it is tried again.
    ///
    /// # Errors
    /// If what it gives is no configuration's archive.
    pub async fn from_parent(endpoint: &Endpoint) -> Result<Self, ConfigError> {
        let waiting = Episode::default();
        loop {
            let error = match connect(endpoint).await {
                Ok(stream) => match fetch(stream).await {
                    Ok(archive) => return Self::of_archive(Path::new("(parent)"), &archive),
                    Err(error) => error,
                },
                Err(error) => error.source,
            };
            if waiting.begins() {
                tracing::warn!(%error, %endpoint, "waiting for the configuration from the parent");
            }
            sleep(RETRY_INTERVAL).await;
        }
    }
}

async fn fetch(stream: Stream) -> io::Result<Zeroizing<Vec<u8>>> {
    timeout(PATIENCE, read_to_end(stream)).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {PATIENCE:?}")))
    })
}

/// All that comes, without leaving copies: as much as an archive may have, and one byte to tell.
async fn read_to_end(stream: impl AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut archive = Zeroizing::new(Vec::with_capacity(MAX_ARCHIVE_LENGTH + 1));
    let limit = u64::try_from(MAX_ARCHIVE_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    let mut stream = stream.take(limit);
    while stream.read_buf(&mut *archive).await? > 0 {}
    match archive.len() {
        0..=MAX_ARCHIVE_LENGTH => Ok(archive),
        _ => Err(io::Error::other(format!("it is longer than {MAX_ARCHIVE_LENGTH} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_to_the_end_but_not_for_ever() {
        let archive = read_to_end(&b"archive"[..]).await.unwrap();
        assert_eq!(
            (archive.as_slice(), archive.capacity()),
            (&b"archive"[..], MAX_ARCHIVE_LENGTH + 1)
        );
        let error = read_to_end(tokio::io::repeat(0)).await.unwrap_err().to_string();
        assert_eq!(error, "it is longer than 8388608 bytes");
    }
}
