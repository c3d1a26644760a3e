//! The configuration from the parent instance, which an image may leave to it: an archive, from the
//! beginning of a connection to its end. Whatever it is, it is measured.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};
use transport::{Endpoint, Stream, connect};
use zeroize::Zeroizing;

use super::archive::MAX_ARCHIVE_LENGTH;
use super::{BundleError, ConfigBundle};

/// How long after an attempt that failed the next one is made: the parent may not be ready.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// How long the archive may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

impl ConfigBundle {
    /// Those that `endpoint` on the parent gives. As long as there is nobody, it is tried again.
    ///
    /// # Errors
    /// If what it gives is no configuration's archive.
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
            // Each reason once, so that the last line is what is wrong.
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
            format!("it did not end within {} s", FETCH_TIMEOUT.as_secs()),
        ))
    })
}

/// All that comes, without leaving copies: as much as an archive may have, and one byte to tell.
async fn read_to_end(stream: impl AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut archive = Zeroizing::new(Vec::with_capacity(MAX_ARCHIVE_LENGTH + 1));
    let limit = u64::try_from(MAX_ARCHIVE_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    let mut stream = stream.take(limit);
    while stream.read_buf(&mut *archive).await? > 0 {}
    match archive.len() {
        0 => Err(io::Error::other("the parent sent nothing: see the log of parent-proxy")),
        // Whoever gave it has gone; an archive ends in two empty blocks.
        1..=MAX_ARCHIVE_LENGTH if !archive.ends_with(&[0; 1024]) => {
            Err(io::Error::other("it is incomplete, or is not an archive"))
        }
        1..=MAX_ARCHIVE_LENGTH => Ok(archive),
        _ => Err(io::Error::other(format!(
            "it is longer than {} MiB",
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
            (&whole[..1535], "it is incomplete, or is not an archive"),
            (&whole[..512], "it is incomplete, or is not an archive"),
        ] {
            assert_eq!(read_to_end(bytes).await.unwrap_err().to_string(), expected);
        }
        let error = read_to_end(tokio::io::repeat(0)).await.unwrap_err().to_string();
        assert_eq!(error, "it is longer than 8 MiB");
    }

    /// As long as the parent has nothing whole to give, it is asked again.
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
