//! The predecessor: the process that started this one for an upgrade ([`crate::upgrade`]).

use std::env;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::handover::{self, NOT_READY, NamedListener, READY, TAKE_OVER};
use crate::health_check;
use crate::relay_context::RelayContext;
use crate::upstream::Health;
use crate::upstream_pool::Pool;

/// Environment variable of a successor that holds the process ID of its predecessor.
pub(crate) const PREDECESSOR_VARIABLE: &str = "PARENT_PROXY_PREDECESSOR";

/// Time limit for the first health checks of all enclaves. A successor waits for these checks before it serves,
/// so that it selects only ready enclaves from the start. With the default settings, four checks fit. At the
/// time limit, the successor serves anyway.
const FIRST_CHECKS_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for the predecessor's part of the handover.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(10);

/// A predecessor that serves until this process takes over.
#[derive(Debug)]
pub(crate) struct Predecessor {
    socket: UnixStream,
}

impl Predecessor {
    /// Returns the predecessor and its listeners, or `None` if this process was started normally.
    ///
    /// # Errors
    /// If the environment names a process that is not the parent, or the listeners cannot be received.
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

    /// Waits for the first health checks, reports the result to the predecessor, and waits until the
    /// predecessor has stopped accepting connections.
    ///
    /// # Errors
    /// If the predecessor does not hand over in time, closes its socket, or sends another message.
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

/// Waits until the health of every enclave is known.
async fn first_checks_done(pool: &Pool) {
    let mut changes = pool.changes();
    while pool.health_checks.interval.is_some()
        && pool.upstreams().iter().any(|upstream| upstream.health() == Health::Unknown)
    {
        // Never fails: the pool holds the sender.
        let _ = changes.changed().await;
    }
}
