//! Reads the metrics of the enclaves whenever the metrics of the relay are requested, and merges all of them.

mod sample;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use thiserror::Error;
use tokio::task::JoinSet;

use self::sample::{described_family, with_upstream_label};
use crate::health_probe::{HealthProbe, ProbeError};
use crate::metrics::PREFIX;
use crate::upstream::{Health, Upstream};
use crate::upstream_pool::Pool;

/// Maximum length of one enclave's metrics, in bytes. They have about 20,000 at present.
const MAX_LENGTH: usize = 1024 * 1024;

/// Returns the metrics of all enclaves, by name of the upstream. Enclaves whose metrics cannot be read are
/// omitted and counted.
pub(crate) async fn scrape_all(pool: &Pool, proxy_protocol: bool) -> Vec<(String, String)> {
    let timeout = pool.health_checks.timeout;
    let mut scrapes = JoinSet::new();
    for upstream in pool.upstreams().iter() {
        let upstream = Arc::clone(upstream);
        scrapes.spawn(async move {
            let text = scrape(&upstream, proxy_protocol, timeout)
                .await
                .inspect_err(|error| record_failure(&upstream, error))
                .ok()?;
            Some((upstream.endpoint().to_string(), text))
        });
    }
    let mut texts: Vec<_> = scrapes.join_all().await.into_iter().flatten().collect();
    texts.sort();
    texts
}

/// The reason why the metrics of an enclave cannot be read.
#[derive(Debug, Error)]
pub(crate) enum ScrapeError {
    /// The request failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The enclave returned another status than 200.
    #[error("the response has status {0}")]
    Status(StatusCode),
    /// The body is not text.
    #[error("the metrics are not UTF-8")]
    NotUtf8,
}

/// Returns the metrics of one enclave.
pub(crate) async fn scrape(
    upstream: &Upstream,
    proxy_protocol: bool,
    timeout: Duration,
) -> Result<String, ScrapeError> {
    let probe = HealthProbe { enclave: upstream.enclave(), proxy_protocol, timeout };
    let (status, body) = probe.get("/metrics", MAX_LENGTH).await?;
    metrics_text(status, body)
}

/// Returns the body of a successful response, if it is UTF-8.
fn metrics_text(status: StatusCode, body: Bytes) -> Result<String, ScrapeError> {
    match status {
        StatusCode::OK => String::from_utf8(body.into()).map_err(|_| ScrapeError::NotUtf8),
        other => Err(ScrapeError::Status(other)),
    }
}

/// Counts a failed scrape.
fn record_failure(upstream: &Upstream, error: &ScrapeError) {
    // The failure of an ejected enclave is expected.
    if upstream.health() != Health::Ejected {
        tracing::debug!(upstream = %upstream.endpoint(), %error, "cannot read the metrics of the upstream");
    }
    upstream.counts.scrape_failures.fetch_add(1, Ordering::Relaxed);
}

/// Merged metrics of several enclaves. OpenMetrics requires all samples of a family to be in one place.
/// Invalid lines are dropped, because the texts are untrusted.
#[derive(Debug, Default)]
pub(crate) struct MergedMetrics {
    families: BTreeMap<String, MetricFamily>,
}

/// One metric family: its metadata lines and its samples.
#[derive(Debug, Default)]
struct MetricFamily {
    /// The HELP, TYPE and UNIT lines of the first text that contains the family.
    metadata: Vec<String>,
    samples: String,
}

impl MergedMetrics {
    /// Adds the metrics of an enclave, with its name as the label `upstream` of each sample.
    pub(crate) fn add(&mut self, upstream: &str, text: &str) {
        let upstream = escape_label_value(upstream);
        let mut family = None;
        for line in text.lines().filter(|line| !line.contains(char::is_control)) {
            match line.strip_prefix("# ") {
                Some(metadata) => {
                    // An enclave may not use the relay's own names.
                    let name = described_family(metadata).filter(|name| !name.starts_with(PREFIX));
                    if let Some(name) = name {
                        self.add_metadata(name, line);
                    }
                    family = name;
                }
                None => {
                    if let Some(name) = family
                        && let Some(sample) = with_upstream_label(line, name, &upstream)
                        && let Some(family) = self.families.get_mut(name)
                    {
                        family.samples.push_str(&sample);
                    }
                }
            }
        }
    }

    /// Adds a metadata line to its family, if it is the first of its kind and comes before the samples.
    fn add_metadata(&mut self, name: &str, line: &str) {
        let family = self.families.entry(name.to_owned()).or_default();
        // Further texts repeat the same metadata.
        let kind = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        if family.samples.is_empty()
            && !family.metadata.iter().any(|other| kind(other) == kind(line))
        {
            family.metadata.push(line.to_owned());
        }
    }
}

impl fmt::Display for MergedMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for MetricFamily { metadata, samples } in self.families.values() {
            metadata.iter().try_for_each(|line| writeln!(formatter, "{line}"))?;
            formatter.write_str(samples)?;
        }
        Ok(())
    }
}

/// Escapes a label value as OpenMetrics requires.
fn escape_label_value(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_families_of_several_texts() {
        let mut merged = MergedMetrics::default();
        let text = "# HELP a_b Some.\n# TYPE a_b counter\na_b_total{x=\"1\"} 1\na_b_total{x=\"2\"} 2\n\
                    # HELP c Other.\n# TYPE c gauge\nc 7\n# EOF\n";
        merged.add("vsock:16:5000", text);
        merged.add("unix:/a\"b", text);
        let expected = "# HELP a_b Some.\n# TYPE a_b counter\n\
             a_b_total{upstream=\"vsock:16:5000\",x=\"1\"} 1\n\
             a_b_total{upstream=\"vsock:16:5000\",x=\"2\"} 2\n\
             a_b_total{upstream=\"unix:/a\\\"b\",x=\"1\"} 1\n\
             a_b_total{upstream=\"unix:/a\\\"b\",x=\"2\"} 2\n\
             # HELP c Other.\n# TYPE c gauge\n\
             c{upstream=\"vsock:16:5000\"} 7\nc{upstream=\"unix:/a\\\"b\"} 7\n";
        assert_eq!(merged.to_string(), expected);
    }

    #[test]
    fn drops_invalid_lines_and_the_relays_own_names() {
        let mut merged = MergedMetrics::default();
        merged.add(
            "x",
            "a 1\n# EOF\n# TYPE attested_random_proxy_ready gauge\nattested_random_proxy_ready 1\n\
             # TYPE a gauge\nb 1\na\n<html> 1\na{} 1\n\n# NOTE a b\n# TYPE a\"b gauge\na\"b 1\n\
             # TYPE attested_random gauge\nattested_random_proxy_ready 1\n# TYPE c evil\nc 1\n\
             # TYPE a gauge\na{upstream=\"y\"} 1\na{b 1\na{b=\"\x01\"} 1\na 1e999\n# HELP a \0\n",
        );
        let expected = "# TYPE a gauge\na{upstream=\"x\"} 1\n# TYPE attested_random gauge\n";
        assert_eq!(merged.to_string(), expected);
    }
}
