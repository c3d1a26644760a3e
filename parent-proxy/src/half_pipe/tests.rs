use std::future::Future;
use std::task::Waker;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, repeat, sink};

use super::*;

/// Returns the output of a future that is ready. Panics once the paused clock advances.
async fn at_once<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(1), future).await.expect("the future must be ready")
}

/// Polls once, with its own scratch buffer.
fn poll_once<R, W>(half_pipe: &mut HalfPipe, reader: &mut R, writer: &mut W) -> Poll<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut scratch = vec![0; MAX_PENDING];
    let mut cx = Context::from_waker(Waker::noop());
    half_pipe.poll(&mut cx, reader, writer, &mut scratch).map(Result::unwrap)
}

#[test]
fn yields_the_thread_when_there_is_always_more() {
    let mut half_pipe = HalfPipe::default();
    let mut reader = repeat(7).take(1 << 30);
    assert_eq!(poll_once(&mut half_pipe, &mut reader, &mut sink()), Poll::Pending);
}

#[test]
fn stops_reading_when_the_buffer_is_full() {
    let (mut writer, _does_not_read) = duplex(1);
    let mut reader = repeat(7);
    let mut half_pipe = HalfPipe::default();
    for _ in 0..3 {
        assert_eq!(poll_once(&mut half_pipe, &mut reader, &mut writer), Poll::Pending);
        assert_eq!(half_pipe.pending.len(), MAX_PENDING);
        assert_eq!(half_pipe.capacity(), MAX_PENDING);
    }
}

#[tokio::test(start_paused = true)]
async fn frees_the_buffer_once_a_slow_reader_has_caught_up() {
    let (mut from, mut reader) = duplex(MAX_PENDING);
    let (mut writer, mut slow) = duplex(100);
    let mut half_pipe = HalfPipe::default();
    assert_eq!(poll_once(&mut half_pipe, &mut reader, &mut writer), Poll::Pending);
    assert_eq!(half_pipe.capacity(), 0);

    from.write_all(&[7; 1000]).await.unwrap();
    assert_eq!(poll_once(&mut half_pipe, &mut reader, &mut writer), Poll::Pending);
    assert!(half_pipe.capacity() > 0);

    for _ in 0..10 {
        at_once(slow.read_exact(&mut [0; 100])).await.unwrap();
        assert_eq!(poll_once(&mut half_pipe, &mut reader, &mut writer), Poll::Pending);
    }
    assert_eq!(half_pipe.capacity(), 0);
}

#[tokio::test(start_paused = true)]
async fn delivers_pending_bytes_before_eof() {
    let (mut writer, mut slow) = duplex(100);
    let mut half_pipe = HalfPipe::default();
    assert_eq!(poll_once(&mut half_pipe, &mut &[7; 250][..], &mut writer), Poll::Pending);

    let mut received = vec![0; 250];
    for part in received.chunks_mut(100) {
        at_once(slow.read_exact(part)).await.unwrap();
        let _ = poll_once(&mut half_pipe, &mut &[][..], &mut writer);
    }
    assert_eq!(received, [7; 250]);
    assert_eq!(at_once(slow.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(poll_once(&mut half_pipe, &mut &[][..], &mut writer), Poll::Ready(()));
}

#[tokio::test(start_paused = true)]
async fn flushes_written_bytes_before_it_waits() {
    let (mut from, mut reader) = duplex(100);
    let (buffered, mut to) = duplex(100);
    let mut writer = tokio::io::BufWriter::new(buffered);
    let mut half_pipe = HalfPipe::default();
    from.write_all(b"x").await.unwrap();

    assert_eq!(poll_once(&mut half_pipe, &mut reader, &mut writer), Poll::Pending);

    assert!(writer.buffer().is_empty());
    assert_eq!(at_once(to.read_u8()).await.unwrap(), b'x');
}

#[test]
fn closed_writer_ends_the_half_pipe_without_an_error() {
    let (mut writer, gone) = duplex(100);
    drop(gone);
    let mut half_pipe = HalfPipe::default();
    assert_eq!(poll_once(&mut half_pipe, &mut repeat(7), &mut writer), Poll::Ready(()));
    assert_eq!(half_pipe.capacity(), 0);
}
