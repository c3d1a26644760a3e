//! Output files that appear under their final name only when they are complete.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::CommandError;

/// The mode of a new file before the umask. A temporary file has mode 600 by default.
const PERMISSIONS: u32 = 0o666;

/// The mode of a file with secrets.
const SECRET_PERMISSIONS: u32 = 0o600;

/// A complete temporary file in the folder of its destination. The file is removed on drop, unless
/// [`commit`](Self::commit) was called.
pub(super) struct AtomicFile {
    file: NamedTempFile,
    path: PathBuf,
}

fn buffered(
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> impl FnOnce(&File) -> io::Result<()> {
    |file| {
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.flush()
    }
}

/// Checks that `path` is a regular file or does not exist. A symbolic link could point to a file that an
/// attacker selected. A device or a folder would be replaced by the file.
fn check_destination(path: &Path) -> io::Result<()> {
    let refused = |reason| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return refused("the path ends with \"/\": give the path of a file");
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(there) if there.is_symlink() => {
            refused("the path is a symbolic link: give the path of the file itself")
        }
        Ok(there) if !there.is_file() => refused(
            "the path is not a regular file: give the path of a new file, or of a regular file \
             to replace",
        ),
        Ok(_) => Ok(()),
    }
}

impl AtomicFile {
    /// Writes the content for the file `path` to a temporary file, and syncs the temporary file to
    /// the disk.
    pub(super) fn write(
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Self, CommandError> {
        Self::create(path, PERMISSIONS, buffered(content))
    }

    /// Like [`write`](Self::write), for a file that only its owner can access.
    pub(super) fn write_private(
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Self, CommandError> {
        Self::create(path, SECRET_PERMISSIONS, buffered(content))
    }

    /// Writes `bytes` for a file that only its owner can access, without a buffered copy.
    pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<Self, CommandError> {
        Self::create(path, SECRET_PERMISSIONS, |mut file| file.write_all(bytes))
    }

    fn create(
        path: &Path,
        permissions: u32,
        content: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<Self, CommandError> {
        let create = || {
            check_destination(path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let file = tempfile::Builder::new()
                .permissions(Permissions::from_mode(permissions))
                .tempfile_in(folder.unwrap_or(Path::new(".")))?;
            content(file.as_file())?;
            file.as_file().sync_all()?;
            Ok(Self { file, path: path.to_owned() })
        };
        create().map_err(|error| CommandError::File { path: path.to_owned(), error })
    }

    /// Renames the temporary file to its destination. Replaces an existing file.
    pub(super) fn commit(self) -> Result<(), CommandError> {
        let Self { file, path } = self;
        match file.persist(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(CommandError::File { path, error: error.error }),
        }
    }
}
