//! The metrics that a relay reports about its enclaves on its admin listener.

use std::collections::BTreeMap;
use std::time::Duration;

use ureq::Agent;

use crate::load::BoxError;

/// A client of a relay's metrics that tracks the health of the upstreams.
pub(crate) struct RelayMetrics {
    agent: Agent,
    url: String,
    /// The health of each upstream, and the number of its recoveries.
    states: BTreeMap<String, (bool, u64)>,
}

impl RelayMetrics {
    /// Creates a client of the relay with its admin listener at `address`.
    pub(crate) fn new(address: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(5)));
        let agent = config.proxy(None).http_status_as_error(false).build().into();
        Self { agent, url: format!("http://{address}/metrics"), states: BTreeMap::new() }
    }

    /// Updates the health states. Must be called often, because a state that begins and ends between two
    /// calls is missed.
    pub(crate) fn refresh(&mut self) -> Result<(), BoxError> {
        for (labels, value) in self.samples("attested_random_proxy_upstream_healthy")? {
            let healthy = value != 0.0;
            let (before, recoveries) = self.states.entry(labels).or_insert((healthy, 0));
            *recoveries += u64::from(healthy && !*before);
            *before = healthy;
        }
        Ok(())
    }

    /// Returns the number of healthy upstreams.
    pub(crate) fn healthy(&self) -> usize {
        self.states.values().filter(|(healthy, _)| *healthy).count()
    }

    /// Returns how often the upstream whose endpoint ends with `upstream` has recovered.
    pub(crate) fn recoveries(&self, upstream: &str) -> u64 {
        let matches = |labels: &&String| labels.contains(&format!("{upstream}\""));
        self.states
            .iter()
            .filter(|(labels, _)| matches(labels))
            .map(|(_, (_, recoveries))| recoveries)
            .sum()
    }

    /// Returns a counter of the upstream whose endpoint ends with `upstream`. If `upstream` is
    /// empty, returns the sum over all upstreams.
    pub(crate) fn counter(&self, metric: &str, upstream: &str) -> Result<f64, BoxError> {
        let samples = self.samples(&format!("attested_random_proxy_{metric}_total"))?;
        let matches =
            |labels: &str| upstream.is_empty() || labels.contains(&format!("{upstream}\""));
        Ok(samples.iter().filter(|(labels, _)| matches(labels)).map(|(_, value)| value).sum())
    }

    /// Returns a gauge of the upstream whose endpoint ends with `upstream`, or `None` if the relay does
    /// not report it.
    pub(crate) fn gauge(&self, metric: &str, upstream: &str) -> Result<Option<f64>, BoxError> {
        let name = format!("attested_random_proxy_{metric}{{");
        let text = self.agent.get(&self.url).call()?.body_mut().read_to_string()?;
        let matches =
            |line: &&str| line.starts_with(&name) && line.contains(&format!("{upstream}\""));
        match text.lines().find(matches).and_then(|line| line.rsplit_once(' ')) {
            Some((_, value)) => Ok(Some(value.parse()?)),
            None => Ok(None),
        }
    }

    /// Returns the sample that has the label `label` and belongs to the upstream whose endpoint
    /// ends with `upstream`.
    pub(crate) fn sample(
        &self,
        metric: &str,
        upstream: &str,
        label: &str,
    ) -> Result<f64, BoxError> {
        let samples = self.samples(&format!("attested_random_proxy_{metric}"))?;
        let matches =
            |labels: &str| labels.contains(&format!("{upstream}\"")) && labels.contains(label);
        let found = samples.iter().find(|(labels, _)| matches(labels));
        Ok(found.ok_or_else(|| format!("no {metric} of {upstream} with {label}"))?.1)
    }

    /// Returns the labels and the value of each sample of a metric.
    fn samples(&self, metric: &str) -> Result<Vec<(String, f64)>, BoxError> {
        let text = self.agent.get(&self.url).call()?.body_mut().read_to_string()?;
        let mut samples = Vec::new();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix(metric) else { continue };
            // If the rest does not start with `{`, the line can belong to a metric whose name is
            // longer.
            let Some((labels, value)) = rest.rsplit_once(' ') else { continue };
            if labels.is_empty() || labels.starts_with('{') {
                samples.push((labels.to_owned(), value.parse()?));
            }
        }
        match samples.is_empty() {
            true => Err(format!("{} has no {metric}: {text}", self.url).into()),
            false => Ok(samples),
        }
    }
}
