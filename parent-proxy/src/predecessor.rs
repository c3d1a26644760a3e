//! The process that this one is to succeed, as [`crate::upgrade`] has started it.

use std::env;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::context::RelayContext;
use crate::handover::{self, NOT_READY, NamedListener, READY, TAKE_OVER};
use crate::health_check;
use crate::pool::Pool;
use crate::upstream::Health;

/// The variable in a successor's environment that has the id of its predecessor.
pub(crate) const PREDECESSOR_VARIABLE: &str = "PARENT_PROXY_PREDECESSOR";

/// How long a successor waits for its enclaves' first answers, so that it is as ready as its predecessor.
/// Four health checks of the default settings; without all of them it serves nevertheless.
const FIRST_CHECKS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the predecessor may take for its part of the handover.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(10);

/// A predecessor that serves until this process could.
#[derive(Debug)]
pub(crate) struct Predecessor {
    socket: UnixStream,
}

impl Predecessor {
    /// Returns the predecessor and its listeners; `None` if this process succeeds no other.
    ///
    /// # Errors
    /// If the environment names one that did not start this process, or that hands over nothing.
    pub(crate) fn from_process() -> io::Result<Option<(Self, Vec<NamedListener>)>> {
        let Some(id) = env::var_os(PREDECESSOR_VARIABLE) else { return Ok(None) };
        if id.to_str() != Some(&parent_id().to_string()) {
            let id = id.display();
            return Err(io::Error::other(format!(
                "{PREDECESSOR_VARIABLE} is {id}, which is not the parent of this process: unset it"
            )));
        }
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        socket.set_read_timeout(Some(HANDOVER_TIMEOUT))?;
        let listeners = handover::receive(&socket)?;
        Ok(Some((Self { socket }, listeners)))
    }

    /// Waits until it is known which enclaves are ready, then until the predecessor accepts nothing any
    /// more.
    ///
    /// # Errors
    /// If the predecessor does not give way.
    pub(crate) async fn wait_for_handover(self, context: &RelayContext) -> io::Result<()> {
        tokio::select! {
            () = health_check::run(context.pool.clone(), context.proxy_protocol) => {}
            _ = timeout(FIRST_CHECKS_TIMEOUT, first_checks_done(&context.pool)) => {}
        }
        let state = if context.pool.not_ready_reason().is_none() { READY } else { NOT_READY };
        let mut socket = self.socket;
        let exchange = spawn_blocking(move || {
            socket.write_all(&[state])?;
            let mut answer = [0];
            socket.read_exact(&mut answer)?;
            Ok(answer)
        });
        match exchange.await.map_err(io::Error::other)? {
            Ok([TAKE_OVER]) => Ok(()),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) => Err(error),
        }
    }
}

/// Waits until each enclave is known to be ready, or not to be.
async fn first_checks_done(pool: &Pool) {
    let mut changes = pool.changes();
    while pool.health_checks.interval.is_some()
        && pool.upstreams().iter().any(|upstream| upstream.health() == Health::Unknown)
    {
        // Who tells is there as long as the pool is.
        let _ = changes.changed().await;
    }
}
