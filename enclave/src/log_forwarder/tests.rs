use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use tempfile::TempDir;
use transport::nonblocking_writer::{NonBlockingWriter, QUEUE_LENGTH};

use super::*;

const LONG_ENOUGH: Duration = Duration::from_secs(30);

/// A log receiver's endpoint and the lines that are forwarded to it.
struct Fixture {
    _folder: TempDir,
    path: PathBuf,
    reports: Receiver<String>,
    lines: NonBlockingWriter<Vec<u8>>,
}

impl Fixture {
    fn new(timeout: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let (sender, reports) = mpsc::channel();
        let report = move |text| sender.send(text).unwrap();
        let mut forwarder = LogForwarder::new(Endpoint::Unix(path.clone()), report);
        forwarder.timeout = timeout;
        let lines = NonBlockingWriter::spawn("lines", forwarder).unwrap();
        Self { _folder: folder, path, reports, lines }
    }

    fn listen(&self) -> UnixListener {
        drop(std::fs::remove_file(&self.path));
        UnixListener::bind(&self.path).unwrap()
    }

    fn submit(&self, number: usize) {
        self.lines.send_or_drop(line(number));
    }
}

fn accept(listener: &UnixListener) -> BufReader<UnixStream> {
    listener.set_nonblocking(true).unwrap();
    let stream = retry_until_accepted(|| listener.accept()).0;
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LONG_ENOUGH)).unwrap();
    BufReader::new(stream)
}

/// Accepts a connection. Fails instead of waiting forever.
fn retry_until_accepted<T>(accept: impl Fn() -> io::Result<T>) -> T {
    let deadline = Instant::now() + LONG_ENOUGH;
    loop {
        match accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            accepted => return accepted.unwrap(),
        }
    }
}

fn line(number: usize) -> Vec<u8> {
    format!("{number}\n").into_bytes()
}

/// Reads a line and returns its number.
fn next(reader: &mut impl BufRead) -> usize {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.strip_suffix('\n').unwrap().parse().unwrap()
}

#[test]
fn lines_wait_until_a_receiver_connects_again() {
    let fixture = Fixture::new(TIMEOUT);
    fixture.submit(0);
    let report = fixture.reports.recv_timeout(LONG_ENOUGH).unwrap();
    assert!(
        report.starts_with("cannot send log lines to unix:") && report.contains("No such file"),
        "{report}"
    );
    let listener = fixture.listen();
    let mut reader = accept(&listener);
    fixture.submit(1);
    assert_eq!([next(&mut reader), next(&mut reader)], [0, 1]);
    assert_eq!(fixture.lines.flush(LONG_ENOUGH), 0);

    drop((reader, listener));
    (2..10).for_each(|number| fixture.submit(number));
    let report = fixture.reports.recv_timeout(LONG_ENOUGH).unwrap();
    assert!(report.contains("Connection refused"), "{report}");
    let mut reader = accept(&fixture.listen());
    for number in 2..10 {
        assert_eq!(next(&mut reader), number);
    }
    assert_eq!((fixture.lines.flush(LONG_ENOUGH), fixture.lines.dropped()), (0, 0));
    // The forwarder reports each outage once.
    assert!(fixture.reports.try_recv().is_err());
}

#[test]
fn drops_and_counts_lines_over_the_queue_length() {
    let fixture = Fixture::new(TIMEOUT);
    const COUNT: usize = QUEUE_LENGTH * 2;
    (0..COUNT).for_each(|number| fixture.submit(number));
    assert!(fixture.lines.flush(Duration::ZERO) > 0);
    let dropped = usize::try_from(fixture.lines.dropped()).unwrap();
    assert_eq!(dropped, COUNT - QUEUE_LENGTH);
    let mut reader = accept(&fixture.listen());
    for number in 0..QUEUE_LENGTH {
        assert_eq!(next(&mut reader), number);
    }
    fixture.submit(COUNT);
    assert_eq!(next(&mut reader), COUNT);
}

#[test]
fn reconnects_after_a_stall_and_resends_the_cut_line() {
    let fixture = Fixture::new(Duration::from_millis(50));
    let listener = fixture.listen();
    // The lines are longer than one write, and all lines together are longer than the socket buffer.
    let lines: Vec<_> = (b'a'..=b'y').map(|byte| [&[byte; 49_999][..], b"\n"].concat()).collect();
    for line in &lines {
        fixture.lines.send_or_drop(line.clone());
    }
    let mut stuck = accept(&listener);
    let report = fixture.reports.recv_timeout(LONG_ENOUGH).unwrap();
    assert!(report.ends_with("timed out"), "{report}");
    let mut reader = accept(&listener);
    let (mut first, mut second) = (Vec::new(), vec![0; 50_000]);
    stuck.read_to_end(&mut first).unwrap();
    let complete = first.len() / 50_000;
    assert!(first.len() % 50_000 > 0 && complete < lines.len(), "{}", first.len());
    assert!(first[..complete * 50_000] == lines[..complete].concat());
    for line in &lines[complete..] {
        reader.read_exact(&mut second).unwrap();
        assert!(second == *line);
    }
    assert_eq!((fixture.lines.flush(LONG_ENOUGH), fixture.lines.dropped()), (0, 0));
}

#[test]
fn flush_times_out_without_a_receiver() {
    let fixture = Fixture::new(TIMEOUT);
    fixture.submit(0);
    let before = Instant::now();
    assert_eq!(fixture.lines.flush(Duration::from_millis(20)), 1);
    drop(fixture);
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[test]
fn detects_closed_tcp_connection_before_the_next_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap().to_string());
    listener.set_nonblocking(true).unwrap();
    let mut forwarder = LogForwarder::new(endpoint, |report| panic!("{report}"));
    for number in 0..3 {
        forwarder.write_all(&line(number)).unwrap();
        let stream = retry_until_accepted(|| listener.accept()).0;
        stream.set_nonblocking(false).unwrap();
        let mut reader = BufReader::new(stream);
        assert_eq!(next(&mut reader), number);
    }
}

/// Not all machines have vsock. On a machine with vsock, CID 1 is the machine itself, and no program
/// listens there.
#[test]
fn returns_error_if_nothing_listens_on_vsock() {
    let error =
        LogConnection::open(&Endpoint::Vsock { cid: 1, port: 52_012 }, TIMEOUT).unwrap_err();
    assert!(error.raw_os_error().is_some() || error.kind() == ErrorKind::TimedOut, "{error}");
}

#[test]
fn resumes_at_the_first_unfinished_line() {
    let lines = b"one\ntwo\nthree\n";
    for (sent, expected) in [(0, "one"), (3, "one"), (4, "two"), (7, "two"), (8, "three")] {
        let rest = from_first_unsent(lines, sent);
        assert!(rest.starts_with(expected.as_bytes()), "{sent}: {rest:?}");
        assert!(lines.ends_with(rest));
    }
    assert!(from_first_unsent(lines, lines.len()).is_empty());
}

#[test]
fn rejects_endpoints_without_a_log_receiver() {
    for text in ["vsock:3:5003", "unix:/run/log", "127.0.0.1:1"] {
        check_endpoint(&text.parse().unwrap()).unwrap();
    }
    for (text, expected) in [("vsock-mux:/run/a:1", "a guest"), ("vsock:3:9000", "heartbeats")] {
        assert!(check_endpoint(&text.parse().unwrap()).unwrap_err().contains(expected), "{text}");
    }
}
