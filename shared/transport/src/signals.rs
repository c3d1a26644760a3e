//! The signals that shut down a process.

use std::future::Future;
use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Installs handlers for SIGTERM and SIGINT. The future is ready at the first signal.
///
/// A second signal ends the process immediately, with the exit status 128 + signal number, as in shells.
///
/// # Errors
/// If a handler cannot be installed.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let kind = either(&mut terminate, &mut interrupt).await;
        let first = kind.as_raw_value();
        // The second signal is awaited before the shutdown begins, because the shutdown may take long.
        tokio::spawn(async move {
            let kind = either(&mut terminate, &mut interrupt).await;
            process::exit(128 + kind.as_raw_value());
        });
        tracing::info!(signal = first, "shutting down; a second signal terminates immediately");
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
