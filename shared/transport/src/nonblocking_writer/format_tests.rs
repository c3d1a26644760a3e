//! Tests of formats with state.

use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

/// An event that the thread reports to the format.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Written(u64, Vec<u8>),
    Lost(RangeInclusive<u64>),
    Own(bool),
}

use Event::{Lost, Own, Written};

/// A format that reports events. Items are texts, and `bad` cannot be written. The format adds the line `own` when it
/// is due, and the line `end`.
struct Reporting {
    events: Sender<Event>,
    due: Option<Instant>,
    has_ended: bool,
}

impl LineFormat for Reporting {
    type Item = &'static str;

    fn append(&mut self, _number: u64, item: &'static str, batch: &mut Vec<u8>) -> io::Result<()> {
        writeln!(batch, "{item}")?;
        if item == "bad" { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    fn written(&mut self, number: u64, line: &[u8]) {
        self.events.send(Written(number, line.to_vec())).unwrap();
    }

    fn lost(&mut self, numbers: RangeInclusive<u64>) {
        self.events.send(Lost(numbers)).unwrap();
    }

    fn own_line_due(&self) -> Option<Instant> {
        self.due
    }

    fn append_own(&mut self, is_end: bool, batch: &mut Vec<u8>) {
        if self.due.take_if(|due| *due <= Instant::now()).is_some() {
            batch.extend_from_slice(b"own\n");
        } else if is_end && !self.has_ended {
            self.has_ended = true;
            batch.extend_from_slice(b"end\n");
        }
    }

    fn own_line_done(&mut self, is_written: bool) {
        self.events.send(Own(is_written)).unwrap();
    }
}

/// A writer that fails a write for each `false` that it receives, and collects the bytes of all others. It blocks until
/// it receives, or until the sender is dropped.
struct FailingWriter(Receiver<bool>, Arc<Mutex<Vec<u8>>>);

impl Write for FailingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes != b"\n" && !self.0.recv().unwrap_or(true) {
            // A part of the line is written.
            self.1.lock().unwrap().extend(bytes.first());
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.1.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    lines: NonBlockingWriter<&'static str>,
    results: Sender<bool>,
    events: Receiver<Event>,
    written: Arc<Mutex<Vec<u8>>>,
}

fn start(due: Option<Instant>) -> Fixture {
    let ((results, received), (sender, events)) = (mpsc::channel(), mpsc::channel());
    let written = Arc::default();
    let writer = FailingWriter(received, Arc::clone(&written));
    let format = Reporting { events: sender, due, has_ended: false };
    let lines = NonBlockingWriter::spawn_with_format("lines", format, writer).unwrap();
    Fixture { lines, results, events, written }
}

impl Fixture {
    fn next(&self) -> Event {
        self.events.recv_timeout(TIMEOUT).unwrap()
    }

    fn written(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn format_learns_each_written_and_unwritable_item() {
    let fixture = start(None);
    for item in ["a", "bad", "b"] {
        fixture.lines.send_or_drop(item);
    }
    drop(fixture.results);
    assert_eq!(fixture.lines.finish(TIMEOUT), 0);
    let events: Vec<_> = fixture.events.iter().collect();
    let expected = [Written(1, b"a".to_vec()), Lost(2..=2), Written(3, b"b".to_vec()), Own(true)];
    assert_eq!(events, expected);
    assert_eq!(*fixture.written.lock().unwrap(), b"a\nb\nend\n");
}

#[test]
fn line_after_a_failed_write_starts_on_a_new_line() {
    let fixture = start(None);
    fixture.lines.send_or_drop("first");
    fixture.results.send(false).unwrap();
    assert_eq!(fixture.next(), Lost(1..=1));
    fixture.lines.send_or_drop("second");
    fixture.results.send(true).unwrap();
    assert_eq!(fixture.next(), Written(2, b"second".to_vec()));
    assert_eq!(fixture.lines.dropped(), 1);
    assert_eq!(fixture.written(), "f\nsecond\n");
}

#[test]
fn format_learns_the_items_that_a_full_queue_dropped() {
    let fixture = start(None);
    let mut last = 0;
    while fixture.lines.dropped() < 3 {
        last = fixture.lines.send_or_drop("a");
    }
    for _ in 0..last {
        fixture.results.send(true).unwrap();
    }
    (1..=last - 3).for_each(|number| assert_eq!(fixture.next(), Written(number, b"a".to_vec())));
    assert_eq!(fixture.next(), Lost(last - 2..=last));
}

#[test]
fn own_line_is_written_when_it_is_due_without_items() {
    let fixture = start(Some(Instant::now() + Duration::from_millis(20)));
    fixture.results.send(true).unwrap();
    assert_eq!(fixture.next(), Own(true));
    assert_eq!(fixture.written(), "own\n");
}

#[test]
fn own_line_is_not_repeated_after_a_failed_write() {
    let fixture = start(Some(Instant::now()));
    fixture.results.send(false).unwrap();
    assert_eq!(fixture.next(), Own(false));
    fixture.results.send(true).unwrap();
    assert_eq!(fixture.lines.finish(TIMEOUT), 0);
    assert_eq!(fixture.next(), Own(true));
    assert_eq!(fixture.written(), "o\nend\n");
}

#[test]
fn finish_times_out_while_the_output_blocks() {
    let fixture = start(None);
    fixture.lines.send_or_drop("a");
    assert_eq!(fixture.lines.finish(Duration::ZERO), 1);
    // A closed queue accepts no items.
    assert_eq!((fixture.lines.send_or_drop("b"), fixture.lines.dropped()), (2, 1));
    (0..2).for_each(|_| fixture.results.send(true).unwrap());
    assert_eq!(fixture.lines.finish(TIMEOUT), 0);
    assert_eq!(fixture.written(), "a\nend\n");
}
