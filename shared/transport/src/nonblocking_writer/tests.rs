use std::sync::mpsc::{self, Receiver};

use std::sync::Mutex;

use super::log_writer::drop_notice;
use super::queue::EAGER_WRITE_LENGTH;
use super::writer_thread::BATCH_LENGTH;
use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

type Written = Arc<Mutex<Vec<u8>>>;

/// A writer that collects the written bytes, but blocks each write until the gate is open.
struct GatedWriter(Receiver<()>, Written);

impl Write for GatedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means that the gate is open.
        self.0.recv().ok();
        self.1.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated_writer() -> (NonBlockingWriter<Vec<u8>>, mpsc::Sender<()>, Written) {
    let (open_gate, gate) = mpsc::channel();
    let written = Written::default();
    let lines = NonBlockingWriter::spawn("lines", GatedWriter(gate, Arc::clone(&written))).unwrap();
    (lines, open_gate, written)
}

#[test]
fn writes_lines_in_order() {
    let (lines, open_gate, written) = gated_writer();
    let sent: Vec<u8> = (0..100_u8).flat_map(|number| [number, b'\n']).collect();
    for line in sent.chunks(2) {
        lines.send_or_drop(line.to_vec());
    }
    assert!(lines.flush(Duration::ZERO) > 0);
    drop(open_gate);
    assert_eq!(lines.flush(TIMEOUT), 0);
    assert_eq!(*written.lock().unwrap(), sent);
    assert_eq!(lines.dropped(), 0);
}

#[test]
fn drops_and_counts_lines_when_queue_is_full() {
    const LENGTH: usize = 1024;
    let (lines, open_gate, written) = gated_writer();
    for _ in 0..QUEUE_LENGTH * 2 {
        lines.send_or_drop(vec![b'-'; LENGTH]);
    }
    let dropped = usize::try_from(lines.dropped()).unwrap();
    // Lines in the thread's batch and in the queue were not dropped.
    assert!(dropped >= QUEUE_LENGTH - BATCH_LENGTH / LENGTH - 1, "{dropped}");
    drop(open_gate);
    assert_eq!(lines.flush(TIMEOUT), 0);
    let written = written.lock().unwrap().len() / LENGTH;
    assert_eq!(written + dropped, QUEUE_LENGTH * 2);
}

#[test]
fn secondary_lines_take_no_primary_capacity() {
    const LIMIT: usize = 256;
    // The line is longer than a batch, so that the thread holds at most one line.
    let line = || vec![b'-'; BATCH_LENGTH + 1];
    let (lines, open_gate, written) = gated_writer();
    let taken =
        (0..10 * QUEUE_LENGTH).filter(|_| lines.try_send_secondary(line(), LIMIT).is_ok()).count();
    assert_eq!(taken, LIMIT);
    for _ in 0..QUEUE_LENGTH {
        lines.send_or_drop(line());
    }
    assert_eq!(lines.dropped(), 0);
    lines.send_or_drop(line());
    assert_eq!(lines.dropped(), 1);
    drop(open_gate);
    assert_eq!(lines.flush(TIMEOUT), 0);
    assert_eq!(written.lock().unwrap().len(), (LIMIT + QUEUE_LENGTH) * (BATCH_LENGTH + 1));
    // All places are free.
    assert!(lines.try_send_secondary(line(), 1).is_ok());
    assert_eq!(lines.flush(TIMEOUT), 0);
}

#[test]
fn rejects_secondary_lines_while_primary_lines_wait() {
    const LIMIT: usize = 256;
    let (lines, open_gate, _) = gated_writer();
    for _ in 0..LIMIT {
        lines.send_or_drop(vec![b'-'; BATCH_LENGTH + 1]);
    }
    assert!(lines.try_send_secondary(b"\n".to_vec(), LIMIT).is_err());
    assert_eq!(lines.dropped(), 0);
    drop(open_gate);
    assert_eq!(lines.flush(TIMEOUT), 0);
    assert!(lines.try_send_secondary(b"\n".to_vec(), LIMIT).is_ok());
}

#[test]
fn log_reports_number_of_dropped_lines() {
    let (lines, open_gate, written) = gated_writer();
    let mut log = LogWriter(&lines);
    for _ in 0..QUEUE_LENGTH * 2 {
        // The line is sent directly, because the log would write a notice as soon as there is space.
        lines.send_or_drop(vec![b'-'; 1024]);
    }
    let dropped = lines.dropped();
    assert!(dropped > 0);
    drop(open_gate);
    assert_eq!(lines.flush(TIMEOUT), 0);
    for _ in 0..2 {
        log.write_all(b"event\n").unwrap();
    }
    assert_eq!(lines.flush(TIMEOUT), 0);
    let written = written.lock().unwrap();
    let text = String::from_utf8_lossy(&written);
    let (lines, notes) = text.rsplit_once("--").unwrap();
    assert_eq!(lines.len() + 2, (QUEUE_LENGTH * 2 - usize::try_from(dropped).unwrap()) * 1024);
    let note = format!("{dropped} log lines were dropped: they could not be written in time\n");
    assert_eq!(notes, [&note, "event\n", "event\n"].concat());
}

#[test]
fn drop_notice_is_json_in_json_log() {
    assert_eq!(
        drop_notice(7, b"{\"level\":\"INFO\"}\n"),
        "{\"level\":\"WARN\",\"message\":\"7 log lines were dropped: they could not be written in time\",\
         \"dropped\":7}\n"
    );
    assert_eq!(
        drop_notice(7, b""),
        "7 log lines were dropped: they could not be written in time\n"
    );
}

#[test]
fn counts_lines_that_fail_to_write() {
    struct ClosedPipe;
    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = NonBlockingWriter::spawn("lines", ClosedPipe).unwrap();
    for _ in 0..3 {
        lines.send_or_drop(b"line\n".to_vec());
    }
    assert_eq!((lines.flush(TIMEOUT), lines.dropped()), (0, 3));
}

#[test]
fn batches_whole_lines_up_to_pipe_buf() {
    struct RecordedWrites(Arc<Mutex<Vec<Vec<u8>>>>, Receiver<()>);
    impl Write for RecordedWrites {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.recv().ok();
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (open_gate, gate) = mpsc::channel();
    let writes = Arc::new(Mutex::new(Vec::new()));
    let lines =
        NonBlockingWriter::spawn("lines", RecordedWrites(Arc::clone(&writes), gate)).unwrap();
    // The first write has the lines that the thread found. The others wait until the gate is open.
    for length in [10, 1500, 1500, 1500, 5000, 10, 10] {
        lines.send_or_drop([&vec![b'-'; length - 1][..], b"\n"].concat());
    }
    drop(open_gate);
    assert_eq!(lines.flush(TIMEOUT), 0);
    let writes = writes.lock().unwrap();
    for one_write in writes.iter() {
        assert_eq!(one_write.last(), Some(&b'\n'));
        let lines = one_write.iter().filter(|byte| **byte == b'\n').count();
        assert!(one_write.len() <= BATCH_LENGTH || lines == 1, "{} bytes", one_write.len());
    }
    assert_eq!(writes.iter().map(Vec::len).sum::<usize>(), 9530);
    assert!(writes.len() < 7, "no lines were written together");
}

#[test]
fn drops_only_unserializable_lines() {
    struct RejectsOddNumbers;
    impl LineFormat for RejectsOddNumbers {
        type Item = u8;

        fn append(&mut self, _number: u64, item: u8, batch: &mut Vec<u8>) -> io::Result<()> {
            batch.push(item);
            if item.is_multiple_of(2) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
        }
    }
    let (open_gate, gate) = mpsc::channel::<()>();
    drop(open_gate);
    let written = Written::default();
    let writer = GatedWriter(gate, Arc::clone(&written));
    let lines = NonBlockingWriter::spawn_with_format("lines", RejectsOddNumbers, writer).unwrap();
    for number in 0..6 {
        lines.send_or_drop(number);
    }
    assert_eq!((lines.flush(TIMEOUT), lines.dropped()), (0, 3));
    assert_eq!(*written.lock().unwrap(), [0, 2, 4]);
}

/// A format whose items are lines without a line feed, before which it writes the number.
struct Numbered;

impl LineFormat for Numbered {
    type Item = &'static str;

    fn append(&mut self, number: u64, item: &'static str, batch: &mut Vec<u8>) -> io::Result<()> {
        writeln!(batch, "{number}{item}")
    }
}

#[test]
fn lines_are_in_the_order_of_their_numbers() {
    const THREADS: u64 = 4;
    let (open_gate, gate) = mpsc::channel::<()>();
    drop(open_gate);
    let written = Written::default();
    let writer = GatedWriter(gate, Arc::clone(&written));
    let lines = NonBlockingWriter::spawn_with_format("lines", Numbered, writer).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..200).for_each(|_| assert!(lines.send_or_drop("") > 0)));
        }
    });
    assert_eq!((lines.flush(TIMEOUT), lines.dropped()), (0, 0));
    let expected: String = (1..=THREADS * 200).map(|number| format!("{number}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&written.lock().unwrap()), expected);
}

#[test]
fn only_dropped_and_queued_lines_take_a_number() {
    let (open_gate, gate) = mpsc::channel::<()>();
    let written = Written::default();
    let writer = GatedWriter(gate, Arc::clone(&written));
    let lines = NonBlockingWriter::spawn_with_format("lines", Numbered, writer).unwrap();
    let mut last = 0;
    while lines.dropped() == 0 {
        let number = lines.send_or_drop("");
        assert_eq!(number, last + 1);
        last = number;
    }
    assert!(lines.try_send_secondary("", 1).is_err());
    drop(open_gate);
    assert_eq!(lines.flush(TIMEOUT), 0);
    assert_eq!(lines.try_send_secondary("", 1).ok(), Some(last + 1));
    assert_eq!(lines.flush(TIMEOUT), 0);
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    // The dropped line is the gap before the last line.
    let end: Vec<u64> = written.lines().rev().take(2).map(|line| line.parse().unwrap()).collect();
    assert_eq!(end, [last + 1, last - 1]);
}

#[test]
fn writes_lines_without_flush_in_every_thread_state() {
    struct ChannelWriter(mpsc::Sender<usize>);
    impl Write for ChannelWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.len()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (sent, written) = mpsc::channel();
    let lines = NonBlockingWriter::spawn("lines", ChannelWriter(sent)).unwrap();
    // Few and many lines are sent while the thread sleeps, works, and waits for further lines.
    for count in [1, 2, EAGER_WRITE_LENGTH, 3, EAGER_WRITE_LENGTH * 2] {
        for _ in 0..count {
            lines.send_or_drop(b"\n".to_vec());
        }
        let mut missing = count;
        while missing > 0 {
            missing -= written.recv_timeout(TIMEOUT).unwrap();
        }
    }
    drop(lines);
    assert_eq!(written.recv_timeout(TIMEOUT), Err(mpsc::RecvTimeoutError::Disconnected));
}
