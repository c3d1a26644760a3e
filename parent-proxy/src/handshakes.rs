//! TLS handshakes that clients reject, by upstream.
//!
//! A client that does not trust an enclave's certificate authority, because the enclave was restarted and made
//! another one, ends the handshake with the alert `unknown_ca` or `bad_certificate`. The relay cannot see it:
//! the alert is encrypted. The enclave counts it, and the relay reads those counters from the enclave's admin
//! endpoint, once per health check interval; without `admin=` nothing is known.
//!
//! A share of rejected handshakes that is far above that of the siblings is logged once when that begins and
//! once when it ends, is shown as a metric, and lowers the weight of the upstream in balancing. It never ejects
//! the upstream, for any stranger can send an alert.

mod comparison;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::sleep;

use self::comparison::compare;
use crate::handshake_window::{FULL_WEIGHT, HandshakeCounters, WindowStats};
use crate::pool::Pool;
use crate::scrape;
use crate::upstream::Upstream;

/// The enclave's counter of handshakes. One label, `outcome`, says how each ended.
const COUNTER: &str = "attested_random_tls_handshakes_total{";

/// Outcomes by which a client says that it does not trust the certificate.
const REJECTIONS: [&str; 2] = ["outcome=\"unknown_ca\"", "outcome=\"bad_certificate\""];

/// Reads the counters of all upstreams of the pool again and again, until the future is dropped.
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

async fn read_all(pool: &Pool) {
    let timeout = pool.health_checks.timeout;
    let mut readers = JoinSet::new();
    for upstream in pool.upstreams().iter().filter(|one| one.enclave().admin.is_some()) {
        let upstream = Arc::clone(upstream);
        readers.spawn(async move {
            // That an enclave does not answer is what health checks tell.
            if let Some(text) = scrape::scrape(&upstream, false, timeout).await
                && let Some(counters) = parse(&text)
            {
                upstream.handshakes.record(counters);
            }
        });
    }
    readers.join_all().await;
}

/// Finds the counters in an enclave's metrics; `None` if they are not there.
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

/// Compares the active upstreams with each other. Standby ones get no clients, and so have nothing to compare.
fn compare_all(pool: &Pool) {
    let upstreams = pool.upstreams();
    let (standby, active): (Vec<_>, Vec<_>) = upstreams.iter().partition(|one| one.is_standby());
    let stats: Vec<WindowStats> = active.iter().map(|one| one.handshakes.stats()).collect();
    for (upstream, comparison) in active.into_iter().zip(compare(&stats)) {
        upstream.handshakes.set_weight(comparison.weight_thousandths);
        set_and_log_rejected(upstream, comparison.is_rejected, comparison.siblings_share);
    }
    for upstream in standby {
        upstream.handshakes.set_weight(FULL_WEIGHT);
        set_and_log_rejected(upstream, false, None);
    }
}

/// Logs the begin and the end of the condition, one line each.
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
             did the enclave restart with another certificate authority? add it to the clients' CA bundle"
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

/// Returns a share to three decimals, for the log.
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
