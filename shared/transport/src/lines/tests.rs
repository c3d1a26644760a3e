use std::sync::mpsc::{self, Receiver};

use std::sync::Mutex;

use super::batch::BATCH_LENGTH;
use super::log::note;
use super::queue::GATHERED_LENGTH;
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

type Written = Arc<Mutex<Vec<u8>>>;

/// Collects what is written, once it is let through.
struct Gate(Receiver<()>, Written);

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means that all are let through.
        self.0.recv().ok();
        self.1.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated() -> (Lines<Vec<u8>>, mpsc::Sender<()>, Written) {
    let (let_through, gate) = mpsc::channel();
    let written = Written::default();
    let lines = Lines::to("lines", Gate(gate, Arc::clone(&written))).unwrap();
    (lines, let_through, written)
}

#[test]
fn writes_all_in_order_before_it_is_flushed() {
    let (lines, let_through, written) = gated();
    let sent: Vec<u8> = (0..100_u8).flat_map(|number| [number, b'\n']).collect();
    for line in sent.chunks(2) {
        lines.submit(line.to_vec());
    }
    assert!(lines.flush(Duration::ZERO) > 0);
    drop(let_through);
    assert_eq!(lines.flush(PATIENCE), 0);
    assert_eq!(*written.lock().unwrap(), sent);
    assert_eq!(lines.dropped(), 0);
}

#[test]
fn drops_and_counts_what_finds_no_room_and_never_waits() {
    const LENGTH: usize = 1024;
    let (lines, let_through, written) = gated();
    for _ in 0..QUEUE_LENGTH * 2 {
        lines.submit(vec![b'-'; LENGTH]);
    }
    let dropped = usize::try_from(lines.dropped()).unwrap();
    // What the thread has taken for its batch, and what its queue holds, found room.
    assert!(dropped >= QUEUE_LENGTH - BATCH_LENGTH / LENGTH - 1, "{dropped}");
    drop(let_through);
    assert_eq!(lines.flush(PATIENCE), 0);
    let written = written.lock().unwrap().len() / LENGTH;
    assert_eq!(written + dropped, QUEUE_LENGTH * 2);
}

#[test]
fn secondary_lines_take_no_place_of_the_others() {
    const LIMIT: usize = 256;
    // Longer than a batch, so that the thread holds on to one at the most.
    let line = || vec![b'-'; BATCH_LENGTH + 1];
    let (lines, let_through, written) = gated();
    let taken =
        (0..10 * QUEUE_LENGTH).filter(|_| lines.offer_secondary(line(), LIMIT).is_ok()).count();
    assert_eq!(taken, LIMIT);
    for _ in 0..QUEUE_LENGTH {
        lines.submit(line());
    }
    assert_eq!(lines.dropped(), 0);
    lines.submit(line());
    assert_eq!(lines.dropped(), 1);
    drop(let_through);
    assert_eq!(lines.flush(PATIENCE), 0);
    assert_eq!(written.lock().unwrap().len(), (LIMIT + QUEUE_LENGTH) * (BATCH_LENGTH + 1));
    // All places are free again.
    assert!(lines.offer_secondary(line(), 1).is_ok());
    assert_eq!(lines.flush(PATIENCE), 0);
}

#[test]
fn secondary_lines_find_no_room_where_others_wait() {
    const LIMIT: usize = 256;
    let (lines, let_through, _) = gated();
    for _ in 0..LIMIT {
        lines.submit(vec![b'-'; BATCH_LENGTH + 1]);
    }
    assert!(lines.offer_secondary(b"\n".to_vec(), LIMIT).is_err());
    assert_eq!(lines.dropped(), 0);
    drop(let_through);
    assert_eq!(lines.flush(PATIENCE), 0);
    assert!(lines.offer_secondary(b"\n".to_vec(), LIMIT).is_ok());
}

#[test]
fn a_log_that_is_read_again_says_how_much_is_missing() {
    let (lines, let_through, written) = gated();
    let mut log = Log(&lines);
    for _ in 0..QUEUE_LENGTH * 2 {
        // Not by the log, which would tell of it as soon as there is room.
        lines.submit(vec![b'-'; 1024]);
    }
    let dropped = lines.dropped();
    assert!(dropped > 0);
    drop(let_through);
    assert_eq!(lines.flush(PATIENCE), 0);
    for _ in 0..2 {
        log.write_all(b"event\n").unwrap();
    }
    assert_eq!(lines.flush(PATIENCE), 0);
    let written = written.lock().unwrap();
    let text = String::from_utf8_lossy(&written);
    let (lines, notes) = text.rsplit_once("--").unwrap();
    assert_eq!(lines.len() + 2, (QUEUE_LENGTH * 2 - usize::try_from(dropped).unwrap()) * 1024);
    let note = format!("{dropped} lines of this log were dropped: nobody took them\n");
    assert_eq!(notes, [&note, "event\n", "event\n"].concat());
}

#[test]
fn a_log_of_json_says_so_in_json() {
    assert_eq!(
        note(7, b"{\"level\":\"INFO\"}\n"),
        "{\"level\":\"WARN\",\"message\":\"7 lines of this log were dropped: nobody took them\",\
         \"dropped\":7}\n"
    );
    assert_eq!(note(7, b""), "7 lines of this log were dropped: nobody took them\n");
}

#[test]
fn counts_what_cannot_be_written() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::to("lines", Closed).unwrap();
    for _ in 0..3 {
        lines.submit(b"line\n".to_vec());
    }
    assert_eq!((lines.flush(PATIENCE), lines.dropped()), (0, 3));
}

#[test]
fn writes_whole_lines_as_many_at_once_as_a_pipe_takes_in_one_piece() {
    struct Pieces(Arc<Mutex<Vec<Vec<u8>>>>, Receiver<()>);
    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.recv().ok();
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (let_through, gate) = mpsc::channel();
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let lines = Lines::to("lines", Pieces(Arc::clone(&pieces), gate)).unwrap();
    // The first piece is whatever the thread found; the others wait until it is let through.
    for length in [10, 1500, 1500, 1500, 5000, 10, 10] {
        lines.submit([&vec![b'-'; length - 1][..], b"\n"].concat());
    }
    drop(let_through);
    assert_eq!(lines.flush(PATIENCE), 0);
    let pieces = pieces.lock().unwrap();
    for piece in pieces.iter() {
        assert_eq!(piece.last(), Some(&b'\n'));
        let lines = piece.iter().filter(|byte| **byte == b'\n').count();
        assert!(piece.len() <= BATCH_LENGTH || lines == 1, "{} bytes", piece.len());
    }
    assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), 9530);
    assert!(pieces.len() < 7, "some were written at once");
}

#[test]
fn drops_what_is_no_line_and_nothing_else() {
    struct Odd(u8);
    impl Line for Odd {
        fn append_to(self, batch: &mut Vec<u8>) -> io::Result<()> {
            batch.push(self.0);
            if self.0.is_multiple_of(2) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
        }
    }
    let (let_through, gate) = mpsc::channel::<()>();
    drop(let_through);
    let written = Written::default();
    let lines = Lines::to("lines", Gate(gate, Arc::clone(&written))).unwrap();
    for number in 0..6 {
        lines.submit(Odd(number));
    }
    assert_eq!((lines.flush(PATIENCE), lines.dropped()), (0, 3));
    assert_eq!(*written.lock().unwrap(), [0, 2, 4]);
}

#[test]
fn nobody_need_ask_for_a_line_to_be_written_however_the_thread_is_found() {
    struct Told(mpsc::Sender<usize>);
    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.len()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (told, written) = mpsc::channel();
    let lines = Lines::to("lines", Told(told)).unwrap();
    // Asleep, at work, and while it lets lines gather: of which there are enough or not.
    for count in [1, 2, GATHERED_LENGTH, 3, GATHERED_LENGTH * 2] {
        (0..count).for_each(|_| lines.submit(b"\n".to_vec()));
        let mut missing = count;
        while missing > 0 {
            missing -= written.recv_timeout(PATIENCE).unwrap();
        }
    }
    drop(lines);
    assert_eq!(written.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}
