use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};
use transport::{Endpoint, Stream, connect, listen};

use super::forward::READ_LENGTH;
use super::splitter::MAX_LINE_LENGTH;
use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A sink in memory.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits for `lines` lines. Returns all bytes that were written.
    async fn wait_for_lines(&self, lines: usize) -> String {
        until(|| self.text().matches('\n').count() >= lines).await;
        self.text()
    }
}

/// A sink that is stuck until the sender of its channel is dropped.
struct StuckSink(Receiver<()>, Sink);

impl Write for StuckSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means that the sender was dropped.
        self.0.recv().ok();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a stuck sink, the sender whose drop releases it, and the sink that it writes to.
fn stuck_sink() -> (StuckSink, Sender<()>, Sink) {
    let (release, stuck) = mpsc::channel();
    let sink = Sink::default();
    (StuckSink(stuck, sink.clone()), release, sink)
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(TIMEOUT, wait).await.unwrap();
}

/// Waits until no connection is read any more. Returns the number of lines that were read.
async fn lines_once_reading_stops(counts: &Counts) -> u64 {
    loop {
        let before = counts.lines();
        sleep(Duration::from_millis(300)).await;
        if before > 0 && before == counts.lines() {
            return before;
        }
    }
}

/// A running receiver, and the folder of its socket.
struct Running {
    folder: TempDir,
    counts: Counts,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(sink: impl Write + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = receiver(&folder, sink).await;
        let counts = receiver.counts.clone();
        Self { folder, counts, task: tokio::spawn(receiver.run(std::future::pending())) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("lines")
    }

    async fn enclave(&self) -> Stream {
        connect(&Endpoint::Unix(self.path())).await.unwrap()
    }

    async fn send(&self, bytes: &[u8]) {
        self.enclave().await.write_all(bytes).await.unwrap();
    }

    /// Sends `bytes` from a task, which ends once the kernel has accepted all of them.
    async fn send_in_background(&self, bytes: Vec<u8>) -> JoinHandle<()> {
        let mut enclave = self.enclave().await;
        tokio::spawn(async move { enclave.write_all(&bytes).await.unwrap() })
    }

    /// Waits until the counters meet `condition`.
    async fn until(&self, condition: impl Fn(&Counts) -> bool) {
        until(|| condition(&self.counts)).await;
    }
}

async fn receiver(folder: &TempDir, sink: impl Write + Send + 'static) -> LogReceiver {
    let listener = listen(&Endpoint::Unix(folder.path().join("lines"))).await.unwrap();
    LogReceiver::start(listener, PeerPolicy::clients(None), sink).unwrap().0
}

#[tokio::test]
async fn lines_of_two_enclaves_arrive_whole_and_in_order() {
    const COUNT: usize = 400;
    let sink = Sink::default();
    let running = Running::start(sink.clone()).await;
    let mut enclaves = [running.enclave().await, running.enclave().await];
    // Each piece ends within a line.
    for number in 0..COUNT {
        for (enclave, name) in enclaves.iter_mut().zip(["a", "b"]) {
            enclave.write_all(format!("{name}\n{name}{number}").as_bytes()).await.unwrap();
        }
    }
    for enclave in &mut enclaves {
        enclave.write_all(b"\n").await.unwrap();
    }
    let all = u64::try_from(2 * (COUNT + 1)).unwrap();
    running.until(|counts| counts.lines() == all).await;
    assert_eq!(running.counts.connections_open(), 2);
    drop(enclaves);
    running.until(|counts| counts.connections_open() == 0).await;
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    let text = sink.wait_for_lines(2 * (COUNT + 1)).await;
    for name in ["a", "b"] {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        let expected = (0..COUNT).map(|number| format!("{name}{number}{name}"));
        let expected: Vec<_> = [name.to_owned()].into_iter().chain(expected).collect();
        assert_eq!(lines[..COUNT], expected[..COUNT]);
        assert_eq!(lines[COUNT], format!("{name}{}", COUNT - 1));
    }
    assert_eq!((running.counts.queue_full(), running.counts.truncated()), (0, 0));
}

#[tokio::test]
async fn drops_and_counts_truncated_and_too_long_lines() {
    let sink = Sink::default();
    let running = Running::start(sink.clone()).await;
    let long = vec![b'-'; MAX_LINE_LENGTH + 1];
    running.send(&[b"one\n", &long[..], b"\ntwo\ncut"].concat()).await;
    running.until(|counts| counts.truncated() == 1).await;
    assert_eq!((running.counts.lines(), running.counts.too_long()), (2, 1));
    running.send(b"three\n").await;
    assert_eq!(sink.wait_for_lines(3).await, "one\ntwo\nthree\n");
    assert_eq!(running.counts.queue_full(), 0);
}

#[tokio::test]
async fn stuck_sink_stops_reading_and_loses_nothing() {
    const COUNT: usize = 20_000;
    let (stuck, release, sink) = stuck_sink();
    let running = Running::start(stuck).await;
    let lines: String = (0..COUNT).map(|number| format!("{number:0>1023}\n")).collect();
    let sending = running.send_in_background(lines.clone().into_bytes()).await;
    let read = lines_once_reading_stops(&running.counts).await;
    // The queue holds 4 MiB. One more line waits for room, and the sink holds a batch of four.
    assert!((3500..=4101).contains(&read), "{read}");
    assert!(!sending.is_finished());
    drop(release);
    assert_eq!(sink.wait_for_lines(COUNT).await, lines);
    assert_eq!(running.counts.queue_full(), 0);
}

#[tokio::test]
async fn queued_long_lines_have_a_bound_in_bytes() {
    let (stuck, release, sink) = stuck_sink();
    let running = Running::start(stuck).await;
    let line = [&[b'-'; MAX_LINE_LENGTH][..], b"\n"].concat();
    let sending = running.send_in_background(line.repeat(200)).await;
    let read = lines_once_reading_stops(&running.counts).await;
    // 4 MiB hold 63 lines. Lines that were read in pieces can take up to twice their length.
    assert!((32..=66).contains(&read), "{read}");
    drop(release);
    sending.await.unwrap();
    assert_eq!(sink.wait_for_lines(200).await.len(), 200 * line.len());
    assert_eq!(running.counts.queue_full(), 0);
}

#[tokio::test]
async fn flood_of_one_enclave_drops_no_line_of_another() {
    let (stuck, release, sink) = stuck_sink();
    let running = Running::start(stuck).await;
    let flood = format!("{}\n", "-".repeat(1023)).repeat(20_000);
    let _sending = running.send_in_background(flood.clone().into_bytes()).await;
    let flooded = lines_once_reading_stops(&running.counts).await;
    running.send(b"once\n").await;
    running.until(|counts| counts.lines() == flooded + 1).await;
    drop(release);
    until(|| sink.text().contains("once\n")).await;
    let text = sink.text();
    let before = text.lines().position(|line| line == "once").unwrap();
    // At most these lines come first: the lines in the queue, and 128 lines that the flood's task queues in
    // one poll.
    assert!(u64::try_from(before).unwrap() <= flooded + 128, "{before} of {flooded}");
    assert_eq!(running.counts.queue_full(), 0);
}

#[tokio::test]
async fn room_goes_to_callers_in_the_order_of_their_calls() {
    let (stuck, release, _) = stuck_sink();
    let (writer, _) = LineWriter::start(stuck, Counts::default()).unwrap();
    let line = |length| vec![b'-'; length];
    while let Ok(room) = timeout(Duration::from_millis(50), writer.room_for(&line(1000))).await {
        writer.queue(line(1000), room);
    }
    let order = Mutex::new(Vec::new());
    let wait = async |name, length| {
        let room = writer.room_for(&line(length)).await;
        order.lock().unwrap().push(name);
        writer.queue(line(length), room);
    };
    // `biased` keeps this order even if all callers have room at once.
    tokio::join!(
        biased;
        wait("flood", 1000),
        wait("quiet", 60_000),
        wait("flood", 1000),
        async { drop(release) },
    );
    assert_eq!(*order.lock().unwrap(), ["flood", "quiet", "flood"]);
}

#[tokio::test]
async fn writes_lines_that_were_read_before_an_abort() {
    let (stuck, release, sink) = stuck_sink();
    let running = Running::start(stuck).await;
    let flood = format!("{}\n", "-".repeat(1023)).repeat(20_000);
    let sending = running.send_in_background(flood.into_bytes()).await;
    lines_once_reading_stops(&running.counts).await;
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    // Aborting the task closes the connection, so the sender fails too.
    assert!(timeout(TIMEOUT, sending).await.unwrap().is_err());
    let read = usize::try_from(running.counts.lines()).unwrap();
    drop(release);
    assert_eq!(sink.wait_for_lines(read).await.len(), read * 1024);
    assert_eq!(running.counts.queue_full(), 0);
}

/// Returns a stream whose bytes are forwarded as lines of the enclave `cid`.
fn forwarded(forwarder: &Arc<Forwarder>, cid: u32) -> DuplexStream {
    let (enclave, end) = duplex(READ_LENGTH);
    let forwarder = Arc::clone(forwarder);
    tokio::spawn(async move { forwarder.forward(end, Some(cid)).await });
    enclave
}

/// Floods the receiver over four connections of enclave 16 until all of them wait. Each connection sends
/// [`LINES_PER_CONNECTION`] lines and stays open.
async fn flood_from_four(receiver: &LogReceiver) -> Vec<JoinHandle<DuplexStream>> {
    let send = |mut enclave: DuplexStream| async move {
        let line = format!("{}\n", "-".repeat(1023));
        enclave.write_all(line.repeat(LINES_PER_CONNECTION).as_bytes()).await.unwrap();
        enclave
    };
    let flood = (0..4).map(|_| tokio::spawn(send(forwarded(&receiver.forwarder, 16)))).collect();
    lines_once_reading_stops(&receiver.counts).await;
    flood
}

/// Number of 1 KiB lines per connection, more than the queue holds.
const LINES_PER_CONNECTION: usize = 5000;

#[tokio::test]
async fn drops_and_counts_lines_of_a_fifth_waiting_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (stuck, release, sink) = stuck_sink();
    let receiver = receiver(&folder, stuck).await;
    let counts = &receiver.counts;
    let _flood = flood_from_four(&receiver).await;
    let line = |name: &str| format!("{name:>2000}\n");

    let mut fifth = forwarded(&receiver.forwarder, 16);
    fifth.write_all(line("lost").repeat(2).as_bytes()).await.unwrap();
    until(|| counts.queue_full() == 2).await;
    let mut other = forwarded(&receiver.forwarder, 17);
    let read = counts.lines();
    other.write_all(line("other").as_bytes()).await.unwrap();
    until(|| counts.lines() == read + 1).await;

    drop(release);
    until(|| sink.text().contains("other\n")).await;
    assert!(!sink.text().contains("lost"));
    assert_eq!(counts.queue_full(), 2);
}

#[tokio::test]
async fn fifth_connection_is_served_once_the_sink_has_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let (stuck, release, sink) = stuck_sink();
    let receiver = receiver(&folder, stuck).await;
    let counts = &receiver.counts;
    let _flood = flood_from_four(&receiver).await;
    let mut fifth = forwarded(&receiver.forwarder, 16);
    fifth.write_all(format!("{:>2000}\n", "lost").as_bytes()).await.unwrap();
    until(|| counts.queue_full() == 1).await;

    drop(release);
    sink.wait_for_lines(4 * LINES_PER_CONNECTION).await;
    fifth.write_all(b"first\nsecond\n").await.unwrap();
    let text = sink.wait_for_lines(4 * LINES_PER_CONNECTION + 2).await;
    assert!(text.ends_with("-\nfirst\nsecond\n"));
    assert_eq!((counts.connections_open(), counts.queue_full()), (5, 1));
}

#[tokio::test]
async fn sink_failure_within_a_line_does_not_mix_lines() {
    /// A sink that accepts part of a write, then fails once.
    struct FailingSink(Sink, u32);
    impl Write for FailingSink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 {
                1 => self.0.write(&bytes[..2]),
                2 => Err(ErrorKind::StorageFull.into()),
                _ => self.0.write(bytes),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let running = Running::start(FailingSink(sink.clone(), 0)).await;
    running.send(b"one\n").await;
    running.until(|counts| counts.write_failed() == 1).await;
    running.send(b"two\nthree\n").await;
    assert_eq!(sink.wait_for_lines(3).await, "on\ntwo\nthree\n");
    assert_eq!((running.counts.lines(), running.counts.write_failed()), (3, 1));
}

#[tokio::test]
async fn connection_beyond_the_limit_waits_for_another_to_end() {
    let sink = Sink::default();
    let running = Running::start(sink.clone()).await;
    let mut enclaves = Vec::new();
    for _ in 0..=MAX_CONNECTIONS {
        enclaves.push(running.enclave().await);
    }
    running.until(|counts| counts.connections_open() == MAX_CONNECTIONS).await;
    enclaves[MAX_CONNECTIONS].write_all(b"waits\n").await.unwrap();
    enclaves[0].write_all(b"first\n").await.unwrap();
    assert_eq!(sink.wait_for_lines(1).await, "first\n");
    drop(enclaves.remove(0));
    running.until(|counts| counts.lines() == 2).await;
    assert_eq!(sink.wait_for_lines(2).await, "first\nwaits\n");
}

#[tokio::test]
async fn flood_of_lines_yields_the_thread_after_each_read() {
    const TURNS: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let receiver = receiver(&folder, io::sink()).await;
    let (flood, forwarder) = (Flood::default(), Arc::clone(&receiver.forwarder));
    let reads = Arc::clone(&flood.0);
    let task = tokio::spawn(async move { forwarder.forward(flood, None).await });
    for _ in 0..TURNS {
        yield_now().await;
    }
    task.abort();
    assert!((1..=TURNS).contains(&reads.load(Ordering::Relaxed)));
}

/// A stream that always has more bytes of one line, for 1,000 reads.
#[derive(Default)]
struct Flood(Arc<AtomicUsize>);

impl AsyncRead for Flood {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.fetch_add(1, Ordering::Relaxed) < 1000 {
            buffer.put_slice(&vec![b'-'; buffer.remaining()]);
        }
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn adds_the_cid_of_the_enclave_to_a_line() {
    let sink = Sink::default();
    let folder = tempfile::tempdir().unwrap();
    let receiver = receiver(&folder, sink.clone()).await;
    // A `cid` that the enclave wrote comes before the inserted one.
    let sent = &b"{\"a\":{\"b\":1}}\n{}\n { \"cid\":17 } \r\ntext\n\n"[..];
    receiver.forwarder.forward(sent, Some(16)).await;
    receiver.forwarder.forward(&b"{\"a\":1}\n"[..], None).await;
    let expected =
        "{\"a\":{\"b\":1},\"cid\":16}\n{}\n{ \"cid\":17 ,\"cid\":16}\ntext\n\n{\"a\":1}\n";
    assert_eq!(sink.wait_for_lines(6).await, expected);
}
