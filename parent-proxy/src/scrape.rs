//! The enclaves' own metrics, asked for when the relay's are, and shown together.

mod sample;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::task::JoinSet;

use self::sample::{described, labelled};
use crate::ask::{self, AskError};
use crate::metrics::PREFIX;
use crate::pool::Pool;
use crate::upstream::{Health, Upstream};

/// Bytes of one enclave's metrics; those of today have some twenty thousand.
const MAX_LENGTH: usize = 1024 * 1024;

/// What each of them shows, by its name. One that cannot be asked is left out, and counted.
pub(crate) async fn all(pool: &Pool, introduced: bool) -> Vec<(String, String)> {
    let limit = pool.checks.timeout;
    let mut asked = JoinSet::new();
    for upstream in pool.upstreams().iter() {
        let upstream = Arc::clone(upstream);
        asked.spawn(async move {
            let text = one(&upstream, introduced, limit).await;
            if text.is_none() {
                failed(&upstream);
            }
            Some((upstream.endpoint().to_string(), text?))
        });
    }
    let mut shown: Vec<_> = asked.join_all().await.into_iter().flatten().collect();
    shown.sort();
    shown
}

/// Returns what one enclave shows, if it can be asked.
pub(crate) async fn one(upstream: &Upstream, introduced: bool, limit: Duration) -> Option<String> {
    text(ask::get(upstream.enclave(), introduced, "/metrics", MAX_LENGTH, limit).await)
}

fn text(answer: Result<(StatusCode, Bytes), AskError>) -> Option<String> {
    match answer {
        Ok((StatusCode::OK, body)) => String::from_utf8(body.into()).ok(),
        _ => None,
    }
}

fn failed(upstream: &Upstream) {
    // Where it is down, that is known.
    if upstream.health() != Health::Ejected {
        tracing::debug!(upstream = %upstream.endpoint(), "its metrics cannot be had");
    }
    upstream.counts.scrape_failures.fetch_add(1, Ordering::Relaxed);
}

/// Texts of metrics as one: OpenMetrics has each family in one place. What is none of it is left out:
/// the texts are others' word.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    families: BTreeMap<String, Family>,
}

#[derive(Debug, Default)]
struct Family {
    /// What it is, as the first text has it.
    about: Vec<String>,
    samples: String,
}

impl Merged {
    /// Adds that of an enclave, whose name becomes a label of each sample.
    pub(crate) fn add(&mut self, upstream: &str, text: &str) {
        let upstream = escaped(upstream);
        let mut family = None;
        for line in text.lines().filter(|line| !line.contains(char::is_control)) {
            match line.strip_prefix("# ") {
                Some(about) => {
                    // None has the relay's own names.
                    let name = described(about).filter(|name| !name.starts_with(PREFIX));
                    if let Some(name) = name {
                        self.describe(name, line);
                    }
                    family = name;
                }
                None => {
                    if let Some(name) = family
                        && let Some(sample) = labelled(line, name, &upstream)
                        && let Some(family) = self.families.get_mut(name)
                    {
                        family.samples.push_str(&sample);
                    }
                }
            }
        }
    }

    fn describe(&mut self, name: &str, line: &str) {
        let family = self.families.entry(name.to_owned()).or_default();
        // Of the next text it says the same again.
        let kind = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        if family.samples.is_empty() && !family.about.iter().any(|other| kind(other) == kind(line))
        {
            family.about.push(line.to_owned());
        }
    }
}

impl fmt::Display for Merged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Family { about, samples } in self.families.values() {
            about.iter().try_for_each(|line| writeln!(formatter, "{line}"))?;
            formatter.write_str(samples)?;
        }
        Ok(())
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_several_texts_are_in_one_place_each() {
        let mut merged = Merged::default();
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
    fn what_is_no_metric_or_pretends_to_be_the_relay_s_is_left_out() {
        let mut merged = Merged::default();
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
