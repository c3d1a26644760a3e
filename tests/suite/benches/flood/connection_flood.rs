//! Silent connections that come again whenever they are closed.

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

/// A flood that runs on a thread of its own until it is stopped.
pub(crate) struct ConnectionFlood {
    opened: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl ConnectionFlood {
    /// Holds `count` connections from `from` to `to`, and returns once as many were opened.
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
                // An error is a flood that was dropped.
                drop(stopped.await);
            });
        });
        while opened.load(Ordering::Relaxed) < count {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { opened, stop, thread })
    }

    /// Closes all. Returns how many connections were opened.
    pub(crate) fn stop(self) -> usize {
        // An error is a thread that has ended.
        let _ = self.stop.send(());
        drop(self.thread.join());
        self.opened.load(Ordering::Relaxed)
    }
}

/// Opens a connection, sends nothing, and opens the next one once it is closed.
async fn hold(from: SocketAddr, to: SocketAddr, opened: Arc<AtomicUsize>) {
    loop {
        match connect(from, to).await {
            Ok(mut stream) => {
                opened.fetch_add(1, Ordering::Relaxed);
                drop(stream.read(&mut [0]).await);
            }
            // No port is left for a moment.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // Its end leaves no port waiting, of which there would soon be none.
    socket.set_zero_linger()?;
    socket.bind(from)?;
    socket.connect(to).await
}
