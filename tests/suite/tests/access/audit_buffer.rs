//! A buffer that collects the audit trail, so that a test can read it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// A writer that collects an audit trail.
#[derive(Clone, Default)]
pub(crate) struct AuditBuffer(Arc<Mutex<Vec<u8>>>);

impl AuditBuffer {
    /// Returns the bytes collected so far.
    #[allow(dead_code, reason = "only some tests need the length")]
    pub(crate) fn length(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for AuditBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
