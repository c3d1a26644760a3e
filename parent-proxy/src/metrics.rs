//! What is counted, and shown at `GET /metrics` in the text format of OpenMetrics 1.0: the relay's own,
//! and behind it what its enclaves show.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes as Body;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::context::RelayContext;
use crate::direct::Directs;
use crate::latest::Latest;
use crate::limiter::Counts;
use crate::pool::Pool;
use crate::scrape::{self, Merged};
use crate::upstream::{Health, Upstream};

/// The media type of what is shown.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Before each name.
pub(crate) const PREFIX: &str = "attested_random_proxy";

/// What ends a text of metrics.
const END: &str = "# EOF\n";

/// What whoever watches is shown.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) pool: Arc<Pool>,
    introduced: bool,
    registry: Registry,
    /// Shown to all who ask at once: each time, every enclave is asked for up to a mebibyte.
    shown: Latest<Body>,
}

/// What is counted, wherever it is.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) relay: Arc<RelayContext>,
    /// Each way out: what it is called, and its relay.
    pub(crate) egress: Vec<(String, Arc<RelayContext>)>,
    /// Lines of enclaves, if they are taken.
    pub(crate) channel: Option<Lines>,
    pub(crate) directs: Arc<Directs>,
    /// Lines of the relay's own log that were lost.
    pub(crate) log_dropped: fn() -> u64,
}

/// Of the lines that enclaves sent.
#[derive(Debug)]
pub(crate) struct Lines(pub(crate) crate::channel::Counts);

impl Watched {
    pub(crate) fn new(counted: Counted) -> Self {
        let pool = Arc::clone(&counted.relay.pool);
        let introduced = counted.relay.introduces;
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(counted));
        Self { pool, introduced, registry, shown: Latest::new() }
    }

    /// All of it, as text.
    pub(crate) async fn metrics(&self) -> Body {
        self.shown.of(async || self.text().await.into()).await
    }

    async fn text(&self) -> String {
        let mut merged = Merged::default();
        for (upstream, text) in scrape::all(&self.pool, self.introduced).await {
            merged.add(&upstream, &text);
        }
        let mut text = String::new();
        // A string takes whatever it is given.
        let _ = text::encode(&mut text, &self.registry);
        let own = text.strip_suffix(END).unwrap_or(&text);
        format!("{own}{merged}{END}")
    }
}

impl Collector for Counted {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut shown = Shown(encoder);
        let pool = &self.relay.pool;
        let info = [("version", env!("CARGO_PKG_VERSION"))];
        shown.gauge("build_info", "What this is", [(info, 1)])?;
        let ready = i64::from(pool.unreadiness().is_none());
        shown.gauge("ready", "1 if /readyz says ready, else 0", [(NONE, ready)])?;
        self.encode_upstreams(&mut shown, &pool.upstreams())?;
        let open = pool.open();
        let open = open.iter().map(|(name, &count)| {
            ([("upstream", &**name)], i64::try_from(count).unwrap_or_default())
        });
        shown.gauge("connections_open", "Connections to the enclave at the moment", open)?;
        let limits = self.relay.peers.limiter().map(|limiter| &limiter.counts);
        let limited =
            |count: fn(&Counts) -> &AtomicU64| limits.map_or(0, |limits| of(count(limits)));
        let refused = [
            ([("reason", "per_client")], limited(|counts| &counts.refused_per_client)),
            ([("reason", "no_upstream")], of(&pool.unserved)),
        ];
        shown.counter("connections_refused", "Clients that were closed at once", refused)?;
        let evicted = [
            ([("reason", "per_client")], limited(|counts| &counts.evicted_per_client)),
            ([("reason", "full")], limited(|counts| &counts.evicted_full)),
        ];
        let help = "Silent connections that were closed to make room for a new one";
        shown.counter("connections_evicted", help, evicted)?;
        let help = "Attempts at another upstream because one could not be connected to";
        shown.counter("connect_retries", help, [(NONE, of(&pool.retries))])?;
        self.encode_directs(&mut shown)?;
        self.encode_egress(&mut shown)?;
        if let Some(Lines(lines)) = &self.channel {
            let help = "Lines of enclaves that were taken";
            shown.counter("channel_lines", help, [(NONE, lines.lines())])?;
            let dropped = lines.dropped().map(|(reason, count)| ([("reason", reason)], count));
            shown.counter("channel_dropped", "Lines of enclaves that were lost", dropped)?;
            let open = lines.connections_open();
            let open = i64::try_from(open).unwrap_or(i64::MAX);
            let help = "Connections on which enclaves send lines";
            shown.gauge("channel_connections_open", help, [(NONE, open)])?;
        }
        let help = "Lines of the relay's own log that were lost";
        shown.counter("log_dropped", help, [(NONE, (self.log_dropped)())])
    }
}

impl Counted {
    fn encode_upstreams(&self, shown: &mut Shown<'_>, all: &[Arc<Upstream>]) -> fmt::Result {
        let names: Vec<String> = all.iter().map(|one| one.endpoint().to_string()).collect();
        let each = || names.iter().map(|name| [("upstream", &**name)]).zip(all);
        type Of = fn(&Upstream) -> &AtomicU64;
        let counters: [(_, _, Of); 5] = [
            ("connections", "Connections to the enclave", |one| &one.counts.connections),
            ("connect_failures", "Attempts at one that failed", |one| &one.counts.connect_failures),
            ("ejections", "How often it got no more clients", |one| &one.counts.ejections),
            ("scrape_failures", "How often its metrics could not be had", |one| {
                &one.counts.scrape_failures
            }),
            (
                "unresponsive_connections_closed",
                "Connections closed because an enclave without an answer to health checks gave no response",
                |one| &one.counts.unresponsive,
            ),
        ];
        for (name, help, count) in counters {
            shown.counter(name, help, each().map(|(label, one)| (label, of(count(one)))))?;
        }
        let healthy =
            each().map(|(label, one)| (label, i64::from(one.health() != Health::Ejected)));
        shown.gauge("upstream_healthy", "0 if it is ejected, else 1", healthy)?;
        encode_balancing(shown, all, &names)?;
        let checks = each().flat_map(|([upstream], one)| {
            let counts = &one.counts;
            [("ready", &counts.ready), ("not_ready", &counts.not_ready), ("failed", &counts.failed)]
                .map(|(outcome, count)| ([upstream, ("outcome", outcome)], of(count)))
        });
        shown.counter("health_checks", "Questions whether it is ready, by answer", checks)?;
        let bytes = each().flat_map(|([upstream], one)| bytes(upstream, one));
        shown.counter("bytes", "Bytes relayed", bytes)
    }

    fn encode_directs(&self, shown: &mut Shown<'_>) -> fmt::Result {
        let all = self.directs.upstreams();
        if all.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = all.iter().map(|one| one.endpoint().to_string()).collect();
        let each = || names.iter().map(|name| [("upstream", &**name)]).zip(&all);
        let connections = each().map(|(label, one)| (label, of(&one.counts.connections)));
        let help = "Connections to the enclave over its direct listener";
        shown.counter("direct_connections", help, connections)?;
        let open =
            each().map(|(label, one)| (label, i64::try_from(one.open()).unwrap_or_default()));
        shown.gauge(
            "direct_connections_open",
            "Connections over its direct listener at the moment",
            open,
        )
    }

    fn encode_egress(&self, shown: &mut Shown<'_>) -> fmt::Result {
        let all: Vec<(&str, Arc<Upstream>)> = self
            .egress
            .iter()
            .flat_map(|(route, relay)| {
                relay
                    .pool
                    .upstreams()
                    .iter()
                    .map(|one| (&**route, Arc::clone(one)))
                    .collect::<Vec<_>>()
            })
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        let each = || all.iter().map(|(route, one)| ([("route", *route)], one));
        let connections = each().map(|(label, one)| (label, of(&one.counts.connections)));
        shown.counter("egress_connections", "Connections of enclaves to the host", connections)?;
        let failures = each().map(|(label, one)| (label, of(&one.counts.connect_failures)));
        shown.counter("egress_connect_failures", "Attempts at one that failed", failures)?;
        let open =
            each().map(|(label, one)| (label, i64::try_from(one.open()).unwrap_or_default()));
        shown.gauge("egress_connections_open", "Connections to the host at the moment", open)?;
        let bytes = each().flat_map(|([route], one)| {
            bytes(route, one).map(|([route, (_, direction)], count)| {
                let direction = if direction == TO_ENCLAVE { "to_host" } else { "to_enclave" };
                ([route, ("direction", direction)], count)
            })
        });
        shown.counter("egress_bytes", "Bytes relayed", bytes)
    }
}

/// Encodes what decides how many clients each upstream gets.
fn encode_balancing(shown: &mut Shown<'_>, all: &[Arc<Upstream>], names: &[String]) -> fmt::Result {
    let each = || names.iter().map(|name| [("upstream", &**name)]).zip(all);
    let standby = each().map(|(label, one)| (label, i64::from(one.is_standby())));
    let help = "1 if it gets no clients because it is configured as standby, else 0";
    shown.gauge("upstream_standby", help, standby)?;
    let weights = each().map(|(label, one)| (label, one.handshakes.weight()));
    shown.gauge("upstream_weight", "Its weight in balancing, from 0.1 to 1", weights)?;
    let shares = each().filter_map(|(label, one)| Some((label, one.handshakes.rejected_share()?)));
    let help = "Share of its recent TLS handshakes that ended with unknown_ca or bad_certificate";
    shown.gauge("upstream_handshake_rejections_ratio", help, shares)?;
    let rejected = each().map(|(label, one)| (label, i64::from(one.handshakes.is_rejected())));
    let help = "1 if its share of rejected handshakes is far above that of its siblings, else 0";
    shown.gauge("upstream_handshakes_rejected", help, rejected)
}

const NONE: [(&str, &str); 0] = [];
const TO_ENCLAVE: &str = "to_enclave";

type Bytes<'a> = [([(&'a str, &'a str); 2], u64); 2];

fn bytes<'a>(of_whom: (&'a str, &'a str), upstream: &Upstream) -> Bytes<'a> {
    let traffic = &upstream.traffic;
    [(TO_ENCLAVE, &traffic.to_enclave), ("to_client", &traffic.to_client)]
        .map(|(direction, count)| ([of_whom, ("direction", direction)], of(count)))
}

fn of(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Metrics that differ in labels alone.
struct Shown<'a>(DescriptorEncoder<'a>);

impl Shown<'_> {
    fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            let encode = |encoder: &mut MetricEncoder<'_>| {
                encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)
            };
            in_family(&mut family, &labels, encode)?;
        }
        Ok(())
    }

    fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            in_family(&mut family, &labels, |encoder| encoder.encode_gauge(&value))?;
        }
        Ok(())
    }
}

fn in_family<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &[(&str, &str); N],
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result
where
    for<'a> [(&'a str, &'a str); N]: EncodeLabelSet,
{
    match N {
        // Without labels there is no list of them either.
        0 => encode(family),
        _ => encode(&mut family.encode_family(labels)?),
    }
}
