use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::limits::LISTEN_BACKLOG;
use super::{Endpoint, ListenError, vsock_mux};

/// Mode of a socket to which only its owner may connect.
const OWNER_ONLY: u32 = 0o600;

/// The processes that may connect to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// The umask of this process decides.
    Umask,
    /// The owner of the socket's file, which is the user of this process.
    Owner,
}

/// Listens on `path`. Replaces a socket file without a listener, but no other file.
pub(super) async fn listen(
    path: &Path,
    access: Access,
) -> Result<(UnixListener, SocketFile), ListenError> {
    match bind(path, access) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path).await?;
            bind(path, access)
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

fn bind(path: &Path, access: Access) -> io::Result<(UnixListener, SocketFile)> {
    let socket = UnixSocket::new_stream()?;
    if access == Access::Owner {
        // Linux gives the file the mode of the socket, so the file never has another mode.
        let socket = File::from(socket.as_fd().try_clone_to_owned()?);
        socket.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    }
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

        let (_listener, _file) = listen(&path, Access::Umask).await.unwrap();

        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn rejects_socket_in_use_and_leaves_it_working() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _live = StdListener::bind(&path).unwrap();

        let error = listen(&path, Access::Umask).await.unwrap_err();

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

        let error = listen(&path, Access::Umask).await.unwrap_err();

        assert!(matches!(error, ListenError::NotASocket { path: named } if named == path));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn never_follows_symbolic_links() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        drop(StdListener::bind(&target).unwrap());
        std::os::unix::fs::symlink(&target, &link).unwrap();

        let error = listen(&link, Access::Umask).await.unwrap_err();

        assert!(matches!(error, ListenError::NotASocket { path } if path == link));
        assert!(target.exists());
    }

    #[tokio::test]
    async fn drop_removes_own_file_but_not_a_successor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let ours = listen(&path, Access::Umask).await.unwrap();
        drop(ours);
        assert!(!path.exists());

        let ours = listen(&path, Access::Umask).await.unwrap();
        fs::rename(&path, directory.path().join("moved")).unwrap();
        let _successor = StdListener::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn private_socket_has_mode_0600_from_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (_listener, _file) = listen(&path, Access::Owner).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let other = directory.path().join("t");
        let (_listener, _file) = listen(&other, Access::Umask).await.unwrap();
        assert_ne!(fs::metadata(&other).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}
