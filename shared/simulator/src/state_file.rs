//! The state file: a root that the simulators of one machine share. Only its owner can read it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use super::root::{Root, RootError};
use attestation::crypto::{self, CryptoError};

/// The file mode: read and write for the owner only.
const OWNER_ONLY: u32 = 0o600;

/// A reason why a state file cannot be used.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// The file cannot be read or written.
    #[error("the simulator's state file {}: {error}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// Other users have access to the file.
    #[error("the simulator's state file {} is accessible to other users; run: chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The path of the file.
        path: PathBuf,
    },
    /// The file does not contain a root.
    #[error("the simulator's state file {}: {error}; remove the file to create a new root", path.display())]
    Content {
        /// The path of the file.
        path: PathBuf,
        /// The reason why it is not a root.
        error: RootError,
    },
    /// The crypto provider failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Returns the root in the file `path`. If the file does not exist, creates it with a new root.
///
/// Simulators that start concurrently use the same root.
///
/// # Errors
/// If the file cannot be read or created, is accessible to other users, or does not contain a root. Also if the
/// crypto provider fails.
pub fn load_or_create(path: &Path) -> Result<Root, StateFileError> {
    match load(path) {
        Err(StateFileError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            load(path)
        }
        loaded => loaded,
    }
}

fn load(path: &Path) -> Result<Root, StateFileError> {
    let in_file = |error| StateFileError::Io { path: path.to_owned(), error };
    let mode = fs::metadata(path).map_err(in_file)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(StateFileError::Permissions { path: path.to_owned() });
    }
    let pem = Zeroizing::new(fs::read(path).map_err(in_file)?);
    Root::from_pem(&pem).map_err(|error| StateFileError::Content { path: path.to_owned(), error })
}

/// Creates the state file with a new root.
///
/// The complete file is written under another name and then linked to `path`. If another process has created
/// `path` in the meantime, its file is kept.
fn create(path: &Path) -> Result<(), StateFileError> {
    let in_file = |error| StateFileError::Io { path: path.to_owned(), error };
    let root = Root::generate()?;
    let mut suffix = [0; 8];
    crypto::fill_random(&mut suffix)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", u64::from_ne_bytes(suffix)));
    let draft = PathBuf::from(draft);
    let linked = write_new(&draft, root.to_pem().as_bytes()).and_then(|()| {
        fs::hard_link(&draft, path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })
    });
    // The draft contains a private key, so it is removed even if linking failed.
    let removed = fs::remove_file(&draft);
    linked.and(removed).map_err(in_file)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_simulators_share_one_root() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.pem");
        let roots: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| load_or_create(&path))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap().unwrap().certificate().to_vec())
                .collect()
        });
        assert_eq!(roots[0], roots[1]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn rejects_readable_or_invalid_state_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.pem");
        write_new(&path, b"something else").unwrap();
        assert!(matches!(load_or_create(&path), Err(StateFileError::Content { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load_or_create(&path), Err(StateFileError::Permissions { .. })));
    }
}
