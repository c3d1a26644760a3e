//! What is counted, and shown at `GET /metrics` in the text format of OpenMetrics 1.0.
//!
//! No label's value comes from a caller, and no value is a random byte or tells of one.

mod attestation_requests;
mod connections;
mod histogram;
mod nsm_calls;
mod requests;

use std::fmt;
use std::sync::atomic::Ordering;

use attestation::Familiarity;
use kms_api::ConnectionState;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub(crate) use self::attestation_requests::AttestationRequests;
pub(crate) use self::connections::Connections;
use self::histogram::Histogram;
pub(crate) use self::nsm_calls::{NsmCall, NsmCalls};
pub(crate) use self::requests::{Requests, UNKNOWN_OPERATION};
use crate::audit::Omitted;
use crate::clock::Anchoring;
use crate::entropy::EntropyFault;
use crate::nsm::NsmFault;

/// The media type of [`Metrics::encode`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Before each name.
const PREFIX: &str = "attested_random";

/// One label and its value.
type Label = [(&'static str, &'static str); 1];

/// All that is counted. Who counts on the way of a request holds the counter itself: none is looked
/// up there.
pub(crate) struct Metrics {
    registry: Registry,
    /// Requests to KMS.
    pub(crate) requests: Requests,
    /// Requests for the enclave's own document.
    pub(crate) attestation_requests: AttestationRequests,
    /// Clients' connections.
    pub(crate) connections: Connections,
    /// Calls made to the NSM.
    pub(crate) nsm_calls: NsmCalls,
    /// Blocks handed to requests.
    pub(crate) blocks: Blocks,
    /// DRBG instances reseeded.
    pub(crate) reseeds: Counter,
    /// TLS handshakes.
    pub(crate) tls_handshakes: TlsHandshakes,
    /// Draws from HSMs.
    #[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "there are no HSMs"))]
    pub(crate) key_store_draws: KeyStoreDraws,
    /// Connections to HSMs that failed, or could not be made.
    #[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "there are no HSMs"))]
    pub(crate) key_store_failures: Counter,
    key_stores: Family<Label, Gauge>,
    faults: Family<Label, Counter>,
    failures: Family<Label, Counter>,
    expired: Counter,
    /// Requests for which no worker had a place.
    pub(crate) workers_full: Counter,
    verified: Family<Label, Counter>,
    /// Requests that came when the time could not be judged by.
    pub(crate) clock_failures: Counter,
    clock_disagreements: Counter,
    clock_offset: Gauge,
    audit_dropped: Counter,
    audit_omitted: AuditOmitted,
    log_dropped: Counter,
    stock: Gauge,
    ready: Gauge,
}

/// Audit records of unauthenticated callers that were left out, by the limit that did.
#[derive(Debug)]
struct AuditOmitted {
    rate: Counter,
    queue: Counter,
}

/// By whether they were kept ready or waited for.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) ready: Counter,
    pub(crate) waited: Counter,
}

/// By how they ended.
#[derive(Clone, Debug)]
pub(crate) struct TlsHandshakes {
    pub(crate) full: Counter,
    pub(crate) resumed: Counter,
    /// The client sent the alert `unknown_ca`.
    pub(crate) unknown_ca: Counter,
    /// The client sent the alert `bad_certificate`.
    pub(crate) bad_certificate: Counter,
    /// The client sent another alert.
    pub(crate) other_alert: Counter,
    /// The client closed without an alert.
    pub(crate) closed: Counter,
    /// The service refused: the client broke the protocol, or had nothing in common with it.
    pub(crate) failed: Counter,
    pub(crate) late: Counter,
    pub(crate) gave_way: Counter,
}

/// By how they ended.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "there are no HSMs"))]
pub(crate) struct KeyStoreDraws {
    pub(crate) granted: Counter,
    pub(crate) deadline: Counter,
    pub(crate) full: Counter,
    pub(crate) failed: Counter,
}

/// How things are at the moment of a scrape.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// Whether `/readyz` says so.
    pub(crate) ready: bool,
    /// Blocks kept ready.
    pub(crate) stock: usize,
    /// Blocks that grew too old, so far.
    pub(crate) expired: u64,
    /// Documents verified so far, by how much of each had been before.
    pub(crate) verified: [(Familiarity, u64); 4],
    /// Custom key stores, by ConnectionState.
    pub(crate) key_stores: [(ConnectionState, usize); 4],
    /// Audit records that were dropped so far.
    pub(crate) audit_dropped: u64,
    /// Audit records that the limits on unauthenticated callers left out so far.
    pub(crate) audit_omitted: Omitted,
    /// Lines of the log that were dropped so far.
    pub(crate) log_dropped: u64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut root = Registry::default();
        let registry = root.sub_registry_with_prefix(PREFIX);
        let requests = Requests::register(registry);
        let attestation_requests = AttestationRequests::register(registry);
        let connections = Connections::register(registry);
        let nsm_calls = NsmCalls::register(registry);
        let blocks =
            counters(registry, "blocks", "Blocks of the NSM taken, and whether they were ready");
        let faults = counters(registry, "nsm_faults", "Faults of the NSM");
        let causes = NsmFault::CAUSES.into_iter().chain(NsmFault::CAUSES_OF_THE_CLOCK);
        causes.for_each(|cause| drop(of(&faults, "cause", cause)));
        let failures = counters(registry, "entropy_failures", "Draws that failed");
        EntropyFault::causes().for_each(|cause| drop(of(&failures, "cause", cause)));
        let handshakes = counters(registry, "tls_handshakes", "TLS handshakes, by how they ended");
        let draws = counters(registry, "key_store_draws", "Draws from HSMs, by how they ended");
        let key_store_failures = Counter::default();
        let help = "Connections to HSMs that failed, or could not be made";
        registry.register("key_store_failures", help, key_store_failures.clone());
        let key_stores = Family::<Label, Gauge>::default();
        registry.register(
            "key_stores",
            "Custom key stores, by ConnectionState",
            key_stores.clone(),
        );
        let workers_full = Counter::default();
        let help = "Requests with a Recipient refused because the workers had no place for them";
        registry.register("workers_full", help, workers_full.clone());
        let help = "Attestation documents verified, and how much of each had been before";
        let verified = counters(registry, "documents_verified", help);
        let (reseeds, expired) = (Counter::default(), Counter::default());
        let clock_failures = Counter::default();
        let (clock_disagreements, clock_offset) = (Counter::default(), Gauge::default());
        let (stock, ready) = (Gauge::default(), Gauge::default());
        registry.register("drbg_reseeds", "DRBG instances reseeded", reseeds.clone());
        let help = "Blocks of the NSM that grew too old to be used";
        registry.register("blocks_expired", help, expired.clone());
        let help = "Requests refused because the NSM had not confirmed the time";
        registry.register("clock_failures", help, clock_failures.clone());
        let help = "Anchorings at which the system's clock was over 2 s from the NSM's time";
        registry.register("clock_disagreements", help, clock_disagreements.clone());
        let help = "The system's clock minus the NSM's time in milliseconds, when last compared";
        registry.register("clock_offset_milliseconds", help, clock_offset.clone());
        registry.register("blocks_ready", "Blocks of the NSM kept ready", stock.clone());
        registry.register("ready", "1 if /readyz says ready, else 0", ready.clone());
        let (audit_dropped, log_dropped) = (Counter::default(), Counter::default());
        let help = "Audit records that were dropped because nobody took them fast enough";
        registry.register("audit_dropped", help, audit_dropped.clone());
        let help = "Audit records of unauthenticated callers left out, by the limit that did";
        let omitted = counters(registry, "audit_omitted", help);
        let help = "Lines of the log that were dropped because nobody took them fast enough";
        registry.register("log_dropped", help, log_dropped.clone());
        let build = Family::<Label, Gauge>::default();
        registry.register("build_info", "1, and what was built", build.clone());
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        Self {
            requests,
            attestation_requests,
            connections,
            nsm_calls,
            blocks: Blocks {
                ready: of(&blocks, "source", "ready"),
                waited: of(&blocks, "source", "waited"),
            },
            tls_handshakes: TlsHandshakes {
                full: of(&handshakes, "outcome", "full"),
                resumed: of(&handshakes, "outcome", "resumed"),
                unknown_ca: of(&handshakes, "outcome", "unknown_ca"),
                bad_certificate: of(&handshakes, "outcome", "bad_certificate"),
                other_alert: of(&handshakes, "outcome", "other_alert"),
                closed: of(&handshakes, "outcome", "closed"),
                failed: of(&handshakes, "outcome", "failed"),
                late: of(&handshakes, "outcome", "late"),
                gave_way: of(&handshakes, "outcome", "gave_way"),
            },
            key_store_draws: KeyStoreDraws {
                granted: of(&draws, "outcome", "granted"),
                deadline: of(&draws, "outcome", "deadline"),
                full: of(&draws, "outcome", "full"),
                failed: of(&draws, "outcome", "failed"),
            },
            key_store_failures,
            key_stores,
            registry: root,
            reseeds,
            faults,
            failures,
            expired,
            verified,
            workers_full,
            clock_failures,
            clock_disagreements,
            clock_offset,
            audit_dropped,
            audit_omitted: AuditOmitted {
                rate: of(&omitted, "reason", "rate"),
                queue: of(&omitted, "reason", "queue"),
            },
            log_dropped,
            stock,
            ready,
        }
    }

    /// The NSM was at fault.
    pub(crate) fn count_fault(&self, fault: &NsmFault) {
        of(&self.faults, "cause", fault.cause()).inc();
    }

    /// How often the system's clock was wrong.
    #[cfg(test)]
    pub(crate) fn clock_disagreements(&self) -> u64 {
        self.clock_disagreements.get()
    }

    /// How often requests got no entropy like this.
    #[cfg(test)]
    pub(crate) fn failures(&self, fault: &EntropyFault) -> u64 {
        of(&self.failures, "cause", fault.cause()).get()
    }

    /// How often the NSM was at fault like this.
    #[cfg(test)]
    pub(crate) fn faults(&self, fault: &NsmFault) -> u64 {
        of(&self.faults, "cause", fault.cause()).get()
    }

    /// A request got no entropy.
    pub(crate) fn count_failure(&self, fault: &EntropyFault) {
        of(&self.failures, "cause", fault.cause()).inc();
    }

    /// The clock was anchored.
    pub(crate) fn count_anchoring(&self, anchoring: &Anchoring) {
        self.clock_offset.set(anchoring.offset_ms);
        if anchoring.disagrees() {
            self.clock_disagreements.inc();
        }
    }

    /// All of it, as text.
    ///
    /// # Errors
    /// None that a string could give.
    pub(crate) fn encode(&self, moment: Moment) -> Result<String, fmt::Error> {
        self.ready.set(moment.ready.into());
        self.stock.set(i64::try_from(moment.stock).unwrap_or(i64::MAX));
        self.expired.inner().store(moment.expired, Ordering::Relaxed);
        self.audit_dropped.inner().store(moment.audit_dropped, Ordering::Relaxed);
        let AuditOmitted { rate, queue } = &self.audit_omitted;
        rate.inner().store(moment.audit_omitted.rate, Ordering::Relaxed);
        queue.inner().store(moment.audit_omitted.queue, Ordering::Relaxed);
        self.log_dropped.inner().store(moment.log_dropped, Ordering::Relaxed);
        for (familiarity, count) in moment.verified {
            let counter = of(&self.verified, "known", familiarity.name());
            counter.inner().store(count, Ordering::Relaxed);
        }
        for (state, count) in moment.key_stores {
            let gauge = self.key_stores.get_or_create(&[("state", state.name())]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics(..)")
    }
}

/// Counters that differ in one label.
fn counters(registry: &mut Registry, name: &str, help: &str) -> Family<Label, Counter> {
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn of(family: &Family<Label, Counter>, name: &'static str, value: &'static str) -> Counter {
    family.get_or_create(&[(name, value)]).clone()
}
