//! Files that have their name only once they are whole.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Failure;

/// What any new file has, before the umask; temporary ones are the owner's alone otherwise.
const PERMISSIONS: u32 = 0o666;

/// What a file of secrets has.
const SECRET_PERMISSIONS: u32 = 0o600;

/// A file that is written beside its place. It is removed if it is not published.
pub(super) struct Draft {
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

/// Where the file is, or is to be: not a link to it, which would be replaced, and no device.
fn place(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
        Ok(_) => {
            let file = fs::canonicalize(path)?;
            match fs::metadata(&file)?.is_file() {
                true => Ok(file),
                false => Err(io::Error::other("it is no file that could be replaced")),
            }
        }
    }
}

impl Draft {
    /// Writes a draft of the file `path`, down to the disk.
    pub(super) fn write(
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Self, Failure> {
        Self::make(path, PERMISSIONS, buffered(content))
    }

    /// Writes a draft of a file for its owner alone.
    pub(super) fn write_private(
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Self, Failure> {
        Self::make(path, SECRET_PERMISSIONS, buffered(content))
    }

    /// Writes a draft of a file for its owner alone, without a copy of these bytes in between.
    pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        Self::make(path, SECRET_PERMISSIONS, |mut file| file.write_all(bytes))
    }

    fn make(
        path: &Path,
        permissions: u32,
        content: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<Self, Failure> {
        let draft = || {
            let path = &place(path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let file = tempfile::Builder::new()
                .permissions(Permissions::from_mode(permissions))
                .tempfile_in(folder.unwrap_or(Path::new(".")))?;
            content(file.as_file())?;
            file.as_file().sync_all()?;
            Ok(Self { file, path: path.to_owned() })
        };
        draft().map_err(|error| Failure::File { path: path.to_owned(), error })
    }

    /// Gives it its name, whatever file had it before.
    pub(super) fn publish(self) -> Result<(), Failure> {
        let Self { file, path } = self;
        match file.persist(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::File { path, error: error.error }),
        }
    }
}
