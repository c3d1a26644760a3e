use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use transport::lines::QUEUE_LENGTH;
use transport::{Endpoint, connect, listen};

use super::lines::MAX_LINE_LENGTH;
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// Collects what is written, as long as it may.
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

    /// What was written, once there are so many lines.
    async fn of(&self, lines: usize) -> String {
        until(|| self.text().matches('\n').count() >= lines).await;
        self.text()
    }
}

/// Waits until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

/// A channel that runs, and a folder with its socket.
struct Running {
    folder: TempDir,
    counts: Counts,
    task: JoinHandle<()>,
}

impl Running {
    async fn to(sink: impl Write + Send + 'static) -> Self {
        Self::patient(sink, super::PATIENCE).await
    }

    async fn patient(sink: impl Write + Send + 'static, patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("lines"));
        let listener = listen(&endpoint).await.unwrap();
        let mut channel =
            Channel::on(listener, crate::peer_policy::PeerPolicy::clients(None), sink).unwrap();
        Arc::get_mut(&mut channel.desk).unwrap().patience = patience;
        let counts = channel.counts();
        Self { folder, counts, task: tokio::spawn(channel.run(std::future::pending())) }
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

    /// Waits until what is counted is so.
    async fn until(&self, is_so: impl Fn(&Counts) -> bool) {
        until(|| is_so(&self.counts)).await;
    }
}

#[tokio::test]
async fn lines_of_two_enclaves_at_once_all_come_whole_and_in_order() {
    const COUNT: usize = 400;
    let sink = Sink::default();
    let running = Running::to(sink.clone()).await;
    let mut enclaves = [running.enclave().await, running.enclave().await];
    // In pieces that end within a line of each.
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
    let text = sink.of(2 * (COUNT + 1)).await;
    for name in ["a", "b"] {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        let expected = (0..COUNT).map(|number| format!("{name}{number}{name}"));
        let expected: Vec<_> = [name.to_owned()].into_iter().chain(expected).collect();
        assert_eq!(lines[..COUNT], expected[..COUNT]);
        assert_eq!(lines[COUNT], format!("{name}{}", COUNT - 1));
    }
    assert_eq!((running.counts.full(), running.counts.cut()), (0, 0));
}

#[tokio::test]
async fn a_line_that_is_cut_or_too_long_is_dropped_and_counted_and_no_other() {
    let sink = Sink::default();
    let running = Running::to(sink.clone()).await;
    let long = vec![b'-'; MAX_LINE_LENGTH + 1];
    running.send(&[b"one\n", &long[..], b"\ntwo\ncut"].concat()).await;
    running.until(|counts| counts.cut() == 1).await;
    assert_eq!((running.counts.lines(), running.counts.too_long()), (2, 1));
    running.send(b"three\n").await;
    assert_eq!(sink.of(3).await, "one\ntwo\nthree\n");
    assert_eq!(running.counts.full(), 0);
}

/// Lets through what it is told to.
struct Gate(Receiver<()>, Sink);

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means that all are let through.
        self.0.recv().ok();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A channel whose sink takes what it is told to, and what it took.
async fn gated(patience: Duration) -> (Running, Sender<()>, Sink) {
    let (let_through, gate) = mpsc::channel();
    let sink = Sink::default();
    (Running::patient(Gate(gate, sink.clone()), patience).await, let_through, sink)
}

#[tokio::test]
async fn more_lines_at_once_than_there_is_room_for_wait_for_a_sink_that_is_slow() {
    const COUNT: usize = QUEUE_LENGTH * 3;
    let (running, let_through, sink) = gated(PATIENCE).await;
    let lines: String = (0..COUNT).map(|number| format!("{number}\n")).collect();
    running.send(lines.as_bytes()).await;
    // There is no room left, and a line that waits for some.
    running.until(|counts| counts.lines() > u64::try_from(QUEUE_LENGTH).unwrap()).await;
    assert_eq!(running.counts.full(), 0);
    drop(let_through);
    assert_eq!(sink.of(COUNT).await, lines);
    assert_eq!(running.counts.full(), 0);
}

#[tokio::test]
async fn whoever_has_lines_takes_turns_line_by_line() {
    let (running, let_through, sink) = gated(PATIENCE).await;
    // One read of it fills the queue many times.
    let mut flood = running.enclave().await;
    flood.write_all(&[b'\n'; READ_LENGTH]).await.unwrap();
    let queued = u64::try_from(QUEUE_LENGTH).unwrap();
    running.until(|counts| counts.lines() > queued).await;
    let before = running.counts.lines();
    running.send(b"once\n").await;
    running.until(|counts| counts.lines() > before).await;
    // What was in the queue, in three pieces at most, and what came next.
    for _ in 0..4 {
        let_through.send(()).unwrap();
    }
    until(|| sink.text().contains("once\n")).await;
    assert_eq!(running.counts.full(), 0);
}

#[tokio::test]
async fn who_waited_in_vain_waits_again_once_the_sink_takes_anything() {
    let (running, let_through, sink) = gated(Duration::from_secs(2)).await;
    let line = [&[b'-'; 4095][..], b"\n"].concat();
    let queued = u64::try_from(QUEUE_LENGTH).unwrap();
    running.send(&line.repeat(QUEUE_LENGTH)).await;
    running.until(|counts| counts.lines() == queued).await;
    // The sink is stuck: one line waits, and the next is not made to.
    let mut enclave = running.enclave().await;
    enclave.write_all(b"first\nsecond\n").await.unwrap();
    running.until(|counts| counts.full() == 2).await;
    // It takes one, and another enclave has the place, and wants more.
    let_through.send(()).unwrap();
    running.send(&line.repeat(2)).await;
    running.until(|counts| counts.lines() == queued + 4).await;
    enclave.write_all(b"third\n").await.unwrap();
    running.until(|counts| counts.lines() == queued + 5).await;
    drop(let_through);
    until(|| sink.text().contains("third\n")).await;
    assert_eq!(running.counts.full(), 2);
}

#[tokio::test]
async fn lines_that_wait_when_all_ends_are_counted_like_those_that_find_no_room() {
    const COUNT: usize = QUEUE_LENGTH * 2;
    let (running, let_through, sink) = gated(PATIENCE).await;
    running.send("\n".repeat(COUNT).as_bytes()).await;
    running.until(|counts| counts.lines() > u64::try_from(QUEUE_LENGTH).unwrap()).await;
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    assert_eq!(running.counts.lines(), u64::try_from(COUNT).unwrap());
    let written = COUNT - usize::try_from(running.counts.full()).unwrap();
    assert!((QUEUE_LENGTH..COUNT).contains(&written), "{written}");
    drop(let_through);
    assert_eq!(sink.of(written).await.len(), written);
}

#[tokio::test]
async fn a_sink_that_is_stuck_holds_up_no_enclave() {
    let (running, let_through, sink) = gated(super::PATIENCE).await;
    let count = QUEUE_LENGTH * 3;
    // Far more than the queue and every buffer on the way hold.
    let line = [&[b'-'; 1023][..], b"\n"].concat();
    let mut enclave = running.enclave().await;
    let send = async {
        for _ in 0..count {
            enclave.write_all(&line).await.unwrap();
        }
    };
    timeout(PATIENCE, send).await.unwrap();
    running.until(|counts| counts.lines() == u64::try_from(count).unwrap()).await;
    let full = usize::try_from(running.counts.full()).unwrap();
    assert!((QUEUE_LENGTH..=count - QUEUE_LENGTH).contains(&full), "{full}");
    drop(let_through);
    assert_eq!(sink.of(count - full).await.len(), (count - full) * 1024);
}

#[tokio::test]
async fn long_lines_that_wait_have_a_bound_in_bytes() {
    let (running, let_through, sink) = gated(super::PATIENCE).await;
    let line = [&[b'-'; MAX_LINE_LENGTH][..], b"\n"].concat();
    let mut enclave = running.enclave().await;
    for _ in 0..200 {
        enclave.write_all(&line).await.unwrap();
    }
    running.until(|counts| counts.lines() == 200).await;
    // 4 MiB hold 63; one more is with the sink, and another in its batch.
    assert!((135..=137).contains(&running.counts.full()), "{}", running.counts.full());
    drop(let_through);
    sink.of(63).await;
    // Their room is free again.
    let before = running.counts.full();
    enclave.write_all(b"more\n").await.unwrap();
    running.until(|counts| counts.lines() == 201).await;
    assert_eq!(running.counts.full(), before);
}

#[tokio::test]
async fn a_sink_that_breaks_within_a_line_mixes_it_with_no_other() {
    /// Takes a part of what it is given and breaks, once.
    struct Breaks(Sink, u32);
    impl Write for Breaks {
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
    let running = Running::to(Breaks(sink.clone(), 0)).await;
    running.send(b"one\n").await;
    running.until(|counts| counts.full() == 1).await;
    running.send(b"two\nthree\n").await;
    assert_eq!(sink.of(3).await, "on\ntwo\nthree\n");
    assert_eq!((running.counts.lines(), running.counts.full()), (3, 1));
}

#[tokio::test]
async fn as_many_connections_as_there_may_be_keep_the_next_one_waiting_only() {
    let sink = Sink::default();
    let running = Running::to(sink.clone()).await;
    let mut enclaves = Vec::new();
    for _ in 0..=MAX_CONNECTIONS {
        enclaves.push(running.enclave().await);
    }
    running.until(|counts| counts.connections_open() == MAX_CONNECTIONS).await;
    enclaves[MAX_CONNECTIONS].write_all(b"waits\n").await.unwrap();
    enclaves[0].write_all(b"first\n").await.unwrap();
    assert_eq!(sink.of(1).await, "first\n");
    drop(enclaves.remove(0));
    running.until(|counts| counts.lines() == 2).await;
    assert_eq!(sink.of(2).await, "first\nwaits\n");
}

#[tokio::test]
async fn a_flood_of_lines_leaves_the_thread_to_clients_after_each_read() {
    const TURNS: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(folder.path().join("lines"));
    let gate = crate::peer_policy::PeerPolicy::clients(None);
    let channel = Channel::on(listen(&endpoint).await.unwrap(), gate, io::sink()).unwrap();
    let (flood, desk) = (Flood::default(), Arc::clone(&channel.desk));
    let reads = Arc::clone(&flood.0);
    let task = tokio::spawn(async move { desk.read(flood, None).await });
    for _ in 0..TURNS {
        yield_now().await;
    }
    task.abort();
    assert!((1..=TURNS).contains(&reads.load(Ordering::Relaxed)));
}

/// An end that always has more of its one line, within bounds.
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
async fn a_line_says_which_enclave_sent_it_where_that_is_known() {
    let sink = Sink::default();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(folder.path().join("lines"));
    let gate = crate::peer_policy::PeerPolicy::clients(None);
    let channel = Channel::on(listen(&endpoint).await.unwrap(), gate, sink.clone()).unwrap();
    // What it says of itself does not stand.
    let sent = &b"{\"a\":{\"b\":1}}\n{}\n { \"cid\":17 } \r\ntext\n\n"[..];
    channel.desk.read(sent, Some(16)).await;
    channel.desk.read(&b"{\"a\":1}\n"[..], None).await;
    let expected =
        "{\"a\":{\"b\":1},\"cid\":16}\n{}\n{ \"cid\":17 ,\"cid\":16}\ntext\n\n{\"a\":1}\n";
    assert_eq!(sink.of(6).await, expected);
}
