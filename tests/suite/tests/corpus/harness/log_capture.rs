//! The service's log, in the form in which it runs, kept apart by thread: each case is checked, and
//! its service answers, on a thread of its own.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::sync::Mutex;
use std::thread;

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Whether whoever logs next panics.
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// What the threads of all modules logged, which are no case's own.
static NSM_THREAD_LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// What breaks lines, turns text around or hides in it, although it is no control character.
const FORMAT_CHARACTERS: [char; 8] = [
    '\u{200b}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{feff}',
];

struct ThreadLogWriter;

impl Write for ThreadLogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if PANICS.take() {
            // Unlike `panic!`, this does not call the panic hook, which would print a backtrace.
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

/// Once for the process.
pub(crate) fn init() {
    enclave::init_logging_to(|| ThreadLogWriter);
}

/// Whoever logs next on this thread panics.
pub(crate) fn panic_once() {
    PANICS.set(true);
}

/// What was logged on this thread since the last time.
pub(crate) fn take() -> Vec<u8> {
    LINES.take()
}

/// What the threads of modules logged so far.
pub(crate) fn nsm_thread_log() -> Vec<u8> {
    NSM_THREAD_LOG.lock().unwrap().clone()
}

/// Lines that no terminal takes for more than text, whatever clients sent.
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
