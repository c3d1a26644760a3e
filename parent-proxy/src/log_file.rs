//! The file to which log lines of enclaves are appended.

use std::fs::{File, OpenOptions, metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// File mode: readable for the owner, and for a group that collects the logs.
const MODE: u32 = 0o640;

/// A file that is appended to. If it is moved away, as in log rotation, the next line goes to a new file at
/// the same path.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)? })
    }

    /// Returns whether the path still leads to the open file.
    fn is_current(&self) -> io::Result<bool> {
        let open = self.file.metadata()?;
        // False if the path leads to no file, or to another file.
        Ok(metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())))
    }
}

/// Opens or creates the file for appending.
fn open(path: &Path) -> io::Result<File> {
    // fifo(7): opening a FIFO for reading and writing succeeds at once. Opening it for writing only would
    // block until a reader opens it. That would delay the start of the process and its reaction to SIGTERM.
    let is_fifo = metadata(path).is_ok_and(|there| there.file_type().is_fifo());
    OpenOptions::new().read(is_fifo).append(true).create(true).mode(MODE).open(path)
}

impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if !self.is_current()? {
            self.file = open(&self.path)?;
        }
        self.file.write(lines)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn appends_and_reopens_a_file_that_was_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "before\n").unwrap();
        let mut file = LogFile::open(&path).unwrap();
        file.write_all(b"one\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\none\n");
        fs::rename(&path, &moved).unwrap();
        file.write_all(b"two\n").unwrap();
        fs::write(folder.path().join("other"), "").unwrap();
        fs::rename(folder.path().join("other"), &path).unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\none\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn opens_a_fifo_without_a_reader() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (opened, file) = mpsc::channel();
        let same = path.clone();
        thread::spawn(move || opened.send(LogFile::open(&same)));
        let mut file = file.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
        file.write_all(b"one\n").unwrap();
        let mut received = [0; 4];
        File::open(&path).unwrap().read_exact(&mut received).unwrap();
        assert_eq!(&received, b"one\n");
    }
}
