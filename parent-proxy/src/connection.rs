//! One connection, from accept to close.

mod close_reason;
mod deadline;
mod forward;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use transport::{ProxyHeader, Stream};

use self::close_reason::{CloseLog, CloseReason};
use self::forward::forward;
use crate::activity::Activity;
use crate::pump::Pump;
use crate::relay_context::RelayContext;

/// Relays one client connection, from accept to close.
pub(crate) async fn serve(client: Stream, context: &RelayContext, activity: Option<&Activity>) {
    let accepted = Instant::now();
    let connection = context.connection_ids.next();
    let header = match context.proxy_protocol {
        true => ProxyHeader { client_addr: client.peer_address(), connection_id: Some(connection) }
            .encode(client.local_address()),
        false => Vec::new(),
    };
    let mut log = CloseLog { connection, accepted, reason: None };
    let connected = while_recording_request(&client, activity, context.pool.connect(&header)).await;
    let Some((stream, lease)) = connected else {
        tracing::debug!(%connection, "client closed: no upstream accepts a connection");
        return;
    };
    drop(header);
    let upstream = lease.upstream();
    tracing::debug!(
        %connection,
        client_addr = client.peer_address().map(tracing::field::display),
        upstream = %upstream.endpoint(),
        "connection opened"
    );
    let pump = Pump::new(client, stream, &upstream.traffic, activity);
    let reason = forward(pump, context.timeouts, accepted, lease.close_policy()).await;
    if matches!(reason, CloseReason::UpstreamClosed | CloseReason::Io(_)) {
        // A healthy enclave keeps its connections open. An enclave that closes its connections at once has
        // the fewest open connections, so it would get all clients until the next health check.
        upstream.request_check();
    }
    if matches!(reason, CloseReason::Unresponsive) {
        upstream.counts.unresponsive.fetch_add(1, Ordering::Relaxed);
    }
    log.reason = Some(reason);
}

/// Waits for `connected`, and records a request that the client sends meanwhile. A connection that awaits a
/// response must not be evicted, however long the connection attempt takes.
async fn while_recording_request<T>(
    client: &Stream,
    activity: Option<&Activity>,
    connected: impl Future<Output = T>,
) -> T {
    let mut connected = pin!(connected);
    let Some(activity) = activity else { return connected.await };
    tokio::select! {
        biased;
        connected = &mut connected => return connected,
        Ok(_) = client.peek() => {}
    }
    // If this returns `false`, the connection is evicted and its task is about to be aborted.
    activity.await_response();
    connected.await
}
