//! The attestation endpoint returns an attestation document of this enclave. The field `user_data` contains the
//! identity of the enclave ([`Identity`](attestation::Identity)).
//!
//! - `GET /attestation` returns the current document from memory. The clock synchronization renews the document.
//! - `GET /attestation?nonce=HEX` returns a document with the nonce of the client, which proves that the document
//!   is new. Each such document costs a call of the NSM, so these requests wait in a queue.

mod fair_queue;
mod metrics;

use std::fmt::Display;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;

use self::fair_queue::FairQueue;
pub(crate) use self::metrics::AttestationEndpointMetrics;
use crate::clock::ClockFault;
use crate::http::{Response, document_response};
use crate::nsm::NsmHandle;
use crate::request::ConnectionKey;

/// The path of the attestation endpoint.
pub(crate) const PATH: &str = "/attestation";

/// Allowed lengths of a nonce, in bytes. With 16 random bytes, no other document has the same nonce.
const NONCE_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

const NO_NONCE: &str = "write /attestation?nonce=HEX with 16 to 64 random bytes in hexadecimal, and no other parameter; or /attestation for the current document\n";

const THROTTLED: &str = "too many requests for attestation documents; retry in 1 s\n";

/// Value of the Retry-After header of a throttled request, in seconds.
const RETRY_AFTER_SECS: u16 = 1;

/// The attestation endpoint.
#[derive(Debug)]
pub(crate) struct AttestationEndpoint {
    queue: Arc<FairQueue>,
    metrics: AttestationEndpointMetrics,
}

impl AttestationEndpoint {
    pub(crate) fn new(metrics: AttestationEndpointMetrics) -> Self {
        Self { queue: FairQueue::new(), metrics }
    }

    /// Handles one request for the current document. `clock` is the result of a check of the time. Without a trusted
    /// time, the document may be so old that the client must reject it.
    pub(crate) fn respond_from_memory(
        &self,
        nsm: &NsmHandle,
        clock: Result<(), ClockFault>,
        head: &Parts,
    ) -> Response {
        match clock.map(|()| nsm.current_document()) {
            Ok(Some(document)) => {
                self.metrics.from_memory.inc();
                document_response(head, document.to_vec())
            }
            Ok(None) => {
                self.fail("the NSM has signed no document with the identity of this enclave")
            }
            Err(fault) => self.fail(fault),
        }
    }

    /// Handles one request for a document with the nonce in `query`. Waits for a permit of the queue before it calls
    /// the NSM.
    pub(crate) async fn respond(
        &self,
        nsm: &NsmHandle,
        connection: ConnectionKey,
        head: &Parts,
        query: &str,
    ) -> Response {
        let Some(nonce) = nonce(query) else {
            return Response::text(StatusCode::BAD_REQUEST, NO_NONCE);
        };
        let waiting = self.metrics.count_waiting();
        let permit = self.queue.acquire(connection).await;
        drop(waiting);
        // This function holds the permit until the NSM responds.
        let Ok(_permit) = permit else {
            self.metrics.throttled.inc();
            let response = Response::text(StatusCode::TOO_MANY_REQUESTS, THROTTLED);
            return response.with_retry_after(RETRY_AFTER_SECS);
        };
        match nsm.document(nonce, nsm.deadline()).await {
            Ok(document) => {
                self.metrics.success.inc();
                document_response(head, document)
            }
            Err(fault) => self.fail(fault),
        }
    }

    fn fail(&self, reason: impl Display) -> Response {
        self.metrics.failed.inc();
        let text = format!("cannot get an attestation document: {reason}\n").into_bytes();
        Response::new(StatusCode::SERVICE_UNAVAILABLE, Response::TEXT, text)
    }
}

/// Returns the nonce, if it is valid and the query has no other parameter.
fn nonce(query: &str) -> Option<Vec<u8>> {
    let digits = query.strip_prefix("nonce=")?;
    // The decoder would accept the prefix 0x.
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    const_hex::decode(digits).ok().filter(|nonce| all && NONCE_LENGTHS.contains(&nonce.len()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;
    use std::time::Duration;

    use hyper::Request;
    use nsm_device::Request as NsmRequest;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;
    use crate::clock::SystemClock;
    use crate::metrics::MetricsRegistry;
    use crate::nsm::test_nsm::TestNsm;
    use crate::nsm::{NsmMetrics, NsmSettings};

    const NONCE: &str = "nonce=abababababababababababababababab";

    #[tokio::test]
    async fn entropy_waits_for_at_most_two_documents() {
        // The calls of the NSM. The first document waits for the signal `release`.
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (release, released) = mpsc::channel::<()>();
        let nsm = {
            let calls = Arc::clone(&calls);
            TestNsm::new(move |_, request| {
                match request {
                    NsmRequest::Attestation { nonce: Some(_), .. } => {
                        calls.lock().unwrap().push("document");
                        // The receive fails after the sender is dropped.
                        let _ = released.recv();
                    }
                    NsmRequest::GetRandom => calls.lock().unwrap().push("block"),
                    _ => {}
                }
                None
            })
        };
        let limit = Duration::from_secs(60);
        let metrics = AttestationEndpointMetrics::register(&mut MetricsRegistry::new());
        let settings =
            NsmSettings { prefetch: 0, deadline: limit, watchdog: limit, ..NsmSettings::default() };
        let nsm = NsmHandle::start(nsm, SystemClock, &settings, None, NsmMetrics::unregistered());
        let nsm = Arc::new(nsm.await.unwrap().unwrap().nsm);
        calls.lock().unwrap().clear();

        let endpoint = Arc::new(AttestationEndpoint::new(metrics.clone()));
        let mut requests_in_flight = JoinSet::new();
        for number in 0..20 {
            let (endpoint, nsm) = (Arc::clone(&endpoint), Arc::clone(&nsm));
            requests_in_flight.spawn(async move {
                let (head, ()) = Request::new(()).into_parts();
                let (connection, query) = (ConnectionKey::new(number, None), NONCE);
                let response = endpoint.respond(&nsm, connection, &head, query).await;
                assert_eq!(response.status(), StatusCode::OK);
            });
        }
        while calls.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        let mut block = std::pin::pin!(nsm.block(nsm.deadline()));
        assert!(
            std::future::poll_fn(|context| {
                std::task::Poll::Ready(block.as_mut().poll(context).is_pending())
            })
            .await
        );
        drop(release);
        block.await.unwrap();
        requests_in_flight.join_all().await;
        let calls = calls.lock().unwrap();
        assert_eq!(calls.len(), 21, "{calls:?}");
        assert!(calls.iter().take(3).any(|call| *call == "block"), "{calls:?}");
        assert_eq!((metrics.success.get()), 20);
    }

    #[test]
    fn nonce_is_16_to_64_bytes_in_hexadecimal() {
        let digits = |bytes: usize| format!("nonce={}", "aB".repeat(bytes));
        assert_eq!(nonce(&digits(16)), Some(vec![0xab; 16]));
        assert_eq!(nonce(&digits(64)), Some(vec![0xab; 64]));
        let long = digits(16);
        let bad = [
            String::new(),
            "nonce=".to_owned(),
            digits(15),
            digits(65),
            format!("{long}a"),
            format!("nonce=0x{}", "ab".repeat(16)),
            format!("{long}&nonce={}", "ab".repeat(16)),
            format!("a=b&{long}"),
            format!("{long}&"),
            format!("Nonce={}", "ab".repeat(16)),
            format!("nonce={}", "zz".repeat(16)),
            format!("nonce=%61{}", "ab".repeat(16)),
        ];
        for query in bad {
            assert_eq!(nonce(&query), None, "{query}");
        }
    }
}
