use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::limits::LISTEN_BACKLOG;
use super::{Endpoint, ListenError, vsock_mux};

/// Listens on `path`. Replaces a socket file without a listener, but no other file.
pub(super) async fn listen(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    match bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path).await?;
            bind(path)
        }
        bound => bound,
    }
    .map_err(|source| io_error(path, source))
}

/// The file of a Unix socket. The drop removes the file, unless another file has replaced it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Returns the socket's file of a listener on `endpoint`, or `None` if there is none.
    pub fn for_endpoint(endpoint: &Endpoint) -> Option<Self> {
        let path = match endpoint {
            Endpoint::Unix(path) => path.clone(),
            Endpoint::VsockMux { path, port } => vsock_mux::listening_path(path, *port),
            Endpoint::Tcp(_) | Endpoint::Vsock { .. } => return None,
        };
        let metadata = fs::symlink_metadata(&path).ok()?;
        metadata.file_type().is_socket().then(|| Self::new(&path, &metadata))
    }

    /// Keeps the file, for another process that listens on the same socket.
    pub fn keep(self) {
        mem::forget(self);
    }

    fn new(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() }
    }

    fn is_unchanged(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|now| now.dev() == self.device && now.ino() == self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_unchanged() {
            // If removal fails, the next listener replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile::new(path, &fs::symlink_metadata(path)?);
    Ok((socket.listen(LISTEN_BACKLOG)?, file))
}

/// Removes a socket file without a listener. A refused connection shows that there is no listener.
async fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(path, error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket { path: path.to_owned() });
    }
    // Connecting does not block. If the backlog is full, it fails with "would block". Then there is a
    // listener.
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            // The drop removes this file, but not one that has replaced it since.
            drop(SocketFile::new(path, &metadata));
            Ok(())
        }
        Ok(_) | Err(_) => Err(io_error(path, ErrorKind::AddrInUse.into())),
    }
}

fn io_error(path: &Path, source: io::Error) -> ListenError {
    ListenError::Io { endpoint: Endpoint::Unix(path.to_owned()), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use super::*;

    #[tokio::test]
    async fn replaces_stale_socket_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());

        let (_listener, _file) = listen(&path).await.unwrap();

        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn rejects_socket_in_use_and_leaves_it_working() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _live = StdListener::bind(&path).unwrap();

        let error = listen(&path).await.unwrap_err();

        let ListenError::Io { endpoint, source } = error else { panic!("{error:?}") };
        assert_eq!(endpoint, Endpoint::Unix(path.clone()));
        assert_eq!(source.kind(), ErrorKind::AddrInUse);
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn never_removes_a_path_that_is_not_a_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        fs::write(&path, "precious").unwrap();

        let error = listen(&path).await.unwrap_err();

        assert!(matches!(error, ListenError::NotASocket { path: named } if named == path));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn never_follows_symbolic_links() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        drop(StdListener::bind(&target).unwrap());
        std::os::unix::fs::symlink(&target, &link).unwrap();

        let error = listen(&link).await.unwrap_err();

        assert!(matches!(error, ListenError::NotASocket { path } if path == link));
        assert!(target.exists());
    }

    #[tokio::test]
    async fn drop_removes_own_file_but_not_a_successor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let ours = listen(&path).await.unwrap();
        drop(ours);
        assert!(!path.exists());

        let ours = listen(&path).await.unwrap();
        fs::rename(&path, directory.path().join("moved")).unwrap();
        let _successor = StdListener::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists());
    }
}
