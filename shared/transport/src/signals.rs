//! The signals that end a process.

use std::future::Future;
use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Takes over SIGTERM and SIGINT: the future is ready at the first of them, and a second one ends
/// the process at once, with the status a shell gives to its signal.
///
/// # Errors
/// When a handler cannot be installed.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let kind = either(&mut terminate, &mut interrupt).await;
        let first = kind.as_raw_value();
        // Before anything else, which could take its time.
        tokio::spawn(async move {
            let kind = either(&mut terminate, &mut interrupt).await;
            process::exit(128 + kind.as_raw_value());
        });
        tracing::info!(signal = first, "shutting down; a second signal ends at once");
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
