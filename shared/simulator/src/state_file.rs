//! A root shared between the simulators of one machine, in a file that only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use super::root::{Root, RootError};
use attestation::crypto::{self, CryptoError};

/// Read and write for the owner, nothing for anybody else.
const OWNER_ONLY: u32 = 0o600;

/// Why a state file is of no use.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// It cannot be read or written.
    #[error("the simulator's state {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others may read it.
    #[error("the simulator's state {} may be read by others; run: chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// Which file.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("the simulator's state {}: {error}; remove it to start anew", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: RootError,
    },
    /// No root could be generated.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// The root in `path`; if there is none yet, a new one is written there. Simulators that start at
/// once agree on one.
///
/// # Errors
/// If the file cannot be used.
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

/// Writes a whole file under another name first and links it into place, which fails if somebody
/// else was faster: then theirs counts.
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
    // What was written is a private key: it must not stay behind, whatever became of the link.
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
