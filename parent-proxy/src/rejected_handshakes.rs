//! TLS handshakes that clients reject, by upstream.
//!
//! An enclave that restarts can create another certificate authority. A client that does not trust it ends
//! the handshake with the alert `unknown_ca` or `bad_certificate`. The alert is encrypted, so the relay
//! cannot see it. The enclave counts such alerts. The relay reads the counter from the enclave's admin
//! endpoint, once per health check interval. An upstream without `admin=` has no counter.
//!
//! The rejected share of an upstream is the part of its recent handshakes that clients rejected. If this share
//! far exceeds that of the other upstreams (its siblings), the relay lowers the weight of the upstream in the
//! upstream selection. The upstream then gets fewer clients. The relay logs the begin and the end of this
//! condition. It exports the share, the condition and the weight as metrics. It never ejects the upstream for
//! this reason, because any client can send an alert.

mod upstream_comparison;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::sleep;

use self::upstream_comparison::compare;
use crate::recent_handshakes::{FULL_WEIGHT, HandshakeCounters, HandshakeStats};
use crate::scrape;
use crate::upstream::Upstream;
use crate::upstream_pool::Pool;

/// The enclave's counter of handshakes. The label `outcome` contains the result.
const COUNTER: &str = "attested_random_tls_handshakes_total{";

/// The outcomes of handshakes in which the client rejected the certificate.
const REJECTIONS: [&str; 2] = ["outcome=\"unknown_ca\"", "outcome=\"bad_certificate\""];

/// Reads and compares the counters of all upstreams at each health check interval, until the future is
/// dropped.
pub(crate) async fn run(pool: Arc<Pool>) {
    let Some(interval) = pool.health_checks.interval else {
        return std::future::pending().await;
    };
    loop {
        read_all(&pool).await;
        compare_all(&pool);
        sleep(interval).await;
    }
}

/// Reads the counters of all upstreams with an admin endpoint.
async fn read_all(pool: &Pool) {
    let timeout = pool.health_checks.timeout;
    let mut readers = JoinSet::new();
    for upstream in pool.upstreams().iter().filter(|one| one.enclave().admin.is_some()) {
        let upstream = Arc::clone(upstream);
        readers.spawn(async move {
            // Health checks report an enclave that does not respond.
            if let Ok(text) = scrape::scrape(&upstream, false, timeout).await
                && let Some(counters) = parse(&text)
            {
                upstream.handshakes.record(counters);
            }
        });
    }
    readers.join_all().await;
}

/// Parses the counters in an enclave's metrics. Returns `None` if the counters are missing.
fn parse(metrics: &str) -> Option<HandshakeCounters> {
    let mut found = None;
    for line in metrics.lines() {
        let Some((labels, value)) =
            line.strip_prefix(COUNTER).and_then(|rest| rest.split_once("} "))
        else {
            continue;
        };
        let Ok(value) = value.parse::<u64>() else { continue };
        let is_rejection = labels.split(',').any(|label| REJECTIONS.contains(&label));
        let sum = found.get_or_insert(HandshakeCounters { handshakes: 0, rejections: 0 });
        sum.handshakes = sum.handshakes.saturating_add(value);
        if is_rejection {
            sum.rejections = sum.rejections.saturating_add(value);
        }
    }
    found
}

/// Compares the active upstreams. Standby upstreams get no clients, so their shares mean nothing.
fn compare_all(pool: &Pool) {
    let upstreams = pool.upstreams();
    let (standby, active): (Vec<_>, Vec<_>) = upstreams.iter().partition(|one| one.is_standby());
    let stats: Vec<HandshakeStats> = active.iter().map(|one| one.handshakes.stats()).collect();
    for (upstream, comparison) in active.into_iter().zip(compare(&stats)) {
        upstream.handshakes.set_weight(comparison.weight_thousandths);
        set_and_log_rejected(upstream, comparison.is_rejected, comparison.siblings_share);
    }
    for upstream in standby {
        upstream.handshakes.set_weight(FULL_WEIGHT);
        set_and_log_rejected(upstream, false, None);
    }
}

/// Sets whether clients reject the upstream's certificate, and logs each change.
fn set_and_log_rejected(upstream: &Upstream, is_rejected: bool, siblings_share: Option<f64>) {
    let handshakes = &upstream.handshakes;
    if !handshakes.set_rejected(is_rejected) {
        return;
    }
    let rejected_share = handshakes.rejected_share().map(rounded);
    let siblings_share = siblings_share.map(rounded);
    let (upstream, weight) = (upstream.endpoint(), handshakes.weight());
    match is_rejected {
        true => tracing::warn!(
            %upstream,
            rejected_share,
            siblings_share,
            weight,
            "clients reject the TLS certificate of the upstream far more often than those of its siblings: \
             did the enclave restart with another certificate authority? add it to the clients' CA file"
        ),
        false => tracing::info!(
            %upstream,
            rejected_share,
            siblings_share,
            weight,
            "clients no longer reject the TLS certificate of the upstream far more often than those of its \
             siblings"
        ),
    }
}

/// Rounds a share to three decimals, for the log.
fn rounded(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(handshakes: u64, rejections: u64) -> HandshakeCounters {
        HandshakeCounters { handshakes, rejections }
    }

    #[test]
    fn sums_counters_over_outcomes() {
        let text = "# TYPE attested_random_tls_handshakes counter\n\
                    attested_random_tls_handshakes_total{outcome=\"full\"} 5\n\
                    attested_random_tls_handshakes_total{outcome=\"unknown_ca\"} 3\n\
                    attested_random_tls_handshakes_total{a=\"b\",outcome=\"bad_certificate\"} 2\n\
                    attested_random_tls_handshakes_total{outcome=\"closed\"} 1\n\
                    attested_random_tls_handshakes_total{outcome=\"timed_out\"} many\n\
                    attested_random_tls_handshakes_total_other{outcome=\"full\"} 7\n# EOF\n";
        assert_eq!(parse(text), Some(counters(11, 5)));
        assert_eq!(parse("attested_random_ready 1\n# EOF\n"), None);
    }
}
