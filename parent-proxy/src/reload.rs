//! Reloads the upstreams from the configuration file on SIGHUP.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::Signal;

use crate::config::Config;
use crate::direct_listeners::DirectListeners;
use crate::systemd;
use crate::upstream_pool::Pool;

/// Reloads the upstreams at every SIGHUP. An invalid file changes nothing.
pub(crate) async fn run(
    mut sighup: Signal,
    upstreams_file: Option<PathBuf>,
    pool: Arc<Pool>,
    direct_listeners: Arc<DirectListeners>,
) {
    while sighup.recv().await.is_some() {
        let Some(path) = &upstreams_file else {
            tracing::warn!(
                "SIGHUP ignored: no configuration file lists the upstreams, and nothing else is reloaded"
            );
            continue;
        };
        systemd::reloading();
        match Config::read_upstreams(path) {
            Ok(listed) => {
                pool.replace(&listed);
                direct_listeners.replace(&listed).await;
                tracing::info!(
                    upstreams = listed.len(),
                    "SIGHUP: upstreams reloaded; other changes take effect with SIGUSR2"
                );
            }
            Err(error) => {
                let file = path.display();
                tracing::error!(%file, "SIGHUP: upstreams not reloaded: {error}");
            }
        }
        systemd::ready(&pool);
    }
}
