//! The configuration in effect as settings, for `--print-config`.

use std::num::NonZeroUsize;

use transport::Endpoint;

use super::settings::Settings;
use super::text::{Seconds, Text};
use super::values::{Config, HealthChecks};

impl Config {
    /// Returns settings that contain every value of this configuration explicitly.
    pub(super) fn to_settings(&self) -> Settings {
        let HealthChecks { interval, timeout, unhealthy_after } = self.health_checks;
        let text = |endpoint: &Endpoint| Text(endpoint.clone());
        let per_client = self.max_connections_per_client.map_or(0, NonZeroUsize::get);
        Settings {
            config: None,
            print_config: false,
            listen: Some(Text(self.listen.clone())),
            upstream: self.upstreams.iter().cloned().map(Text).collect(),
            admin_listen: self.admin_listen.as_ref().map(text),
            health_interval: Some(Seconds::from_duration(interval.unwrap_or_default())),
            health_timeout: Some(Seconds::from_duration(timeout)),
            unhealthy_after: Some(unhealthy_after),
            proxy_protocol: Some(self.proxy_protocol),
            config_archive: self.config_archive.as_ref().map(|archive| archive.path.clone()),
            config_listen: self.config_archive.as_ref().map(|archive| text(&archive.listen)),
            egress: self.egress.iter().cloned().map(Text).collect(),
            log_listen: self.log_receiver.as_ref().map(|log| text(&log.listen)),
            log_file: self.log_receiver.as_ref().and_then(|log| log.file.clone()),
            log_format: Some(Text(self.log_format)),
            log_level: Some(Text(self.log_level)),
            max_connections: Some(self.max_connections),
            max_connections_per_client: Some(per_client),
            threads: Some(self.threads),
            connect_timeout: Some(Seconds::from_duration(self.connect_timeout)),
            idle_timeout: Some(Seconds::from_duration(self.idle_timeout)),
            unresponsive_timeout: Some(Seconds::from_duration(self.unresponsive_timeout)),
            total_timeout: Some(Seconds::from_duration(self.total_timeout)),
            drain_timeout: Some(Seconds::from_duration(self.drain_timeout)),
        }
    }
}
