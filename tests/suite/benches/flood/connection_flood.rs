//! A flood of silent connections. A connection that the server closes is opened again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A flood of connections. It runs on its own thread until it is stopped.
pub(crate) struct ConnectionFlood {
    opened: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl ConnectionFlood {
    /// Opens `count` connections from `from` to `to`. Returns after each connection was opened
    /// once.
    pub(crate) fn start(from: SocketAddr, to: SocketAddr, count: usize) -> io::Result<Self> {
        let opened = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let counted = Arc::clone(&opened);
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                let mut connections = JoinSet::new();
                for _ in 0..count {
                    connections.spawn(hold(from, to, Arc::clone(&counted)));
                }
                // An error means that the flood was dropped, which also ends it.
                drop(stopped.await);
            });
        });
        while opened.load(Ordering::Relaxed) < count {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { opened, stop, thread })
    }

    /// Closes all connections. Returns the number of connections that were opened, including
    /// repetitions.
    pub(crate) fn stop(self) -> usize {
        // An error means that the thread has already ended.
        let _ = self.stop.send(());
        drop(self.thread.join());
        self.opened.load(Ordering::Relaxed)
    }
}

/// Keeps a silent connection open, and reopens it when it is closed.
async fn hold(from: SocketAddr, to: SocketAddr, opened: Arc<AtomicUsize>) {
    loop {
        match connect(from, to).await {
            Ok(mut stream) => {
                opened.fetch_add(1, Ordering::Relaxed);
                drop(stream.read(&mut [0]).await);
            }
            // The connection fails if no local port is free, which lasts only a moment.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // Without this option, closed connections would stay in TIME_WAIT, and all local ports would
    // soon be in use.
    socket.set_zero_linger()?;
    socket.bind(from)?;
    socket.connect(to).await
}
