//! Captures the service's log in its production format, separately for each thread. Each case and
//! its service run on their own thread.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::sync::Mutex;
use std::thread;

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// True if the next log call on this thread panics.
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// The log of the NSM threads. An NSM thread does not belong to one case.
static NSM_THREAD_LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Characters that are not control characters, but break lines, reverse text or are invisible.
const FORMAT_CHARACTERS: [char; 8] = [
    '\u{200b}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{feff}',
];

struct ThreadLogWriter;

impl Write for ThreadLogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if PANICS.take() {
            // `resume_unwind` does not run the panic hook. The hook would print a backtrace.
            std::panic::resume_unwind(Box::new("on purpose"));
        }
        match thread::current().name() {
            Some("nsm" | "nsm-watchdog") => NSM_THREAD_LOG.lock().unwrap().extend_from_slice(bytes),
            _ => LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes)),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Installs the log capture. A process must call this function exactly once.
pub(crate) fn init() {
    enclave::init_logging_to(|| ThreadLogWriter);
}

/// Makes the next log call on this thread panic.
pub(crate) fn panic_once() {
    PANICS.set(true);
}

/// Removes the captured log of this thread, and returns the log.
pub(crate) fn take() -> Vec<u8> {
    LINES.take()
}

/// Returns the log of the NSM threads so far.
pub(crate) fn nsm_thread_log() -> Vec<u8> {
    NSM_THREAD_LOG.lock().unwrap().clone()
}

/// Asserts that the log consists of complete lines without control characters and format
/// characters.
pub(crate) fn assert_printable(log: &[u8], context: &str) {
    let text = std::str::from_utf8(log).expect(context);
    for line in text.lines() {
        assert!(
            !line.contains(char::is_control) && !line.contains(FORMAT_CHARACTERS),
            "{context}: {line:?}"
        );
    }
    assert!(text.is_empty() || text.ends_with('\n'), "{context}: {text:?}");
}
