//! Rows F: concurrent requests, cancelled requests, and NSM output that must not leak.

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use enclave::request::TransportSecurity;
use nsm_device::Response;
use tokio::io::{AsyncWriteExt, duplex};

use crate::harness::enveloped_data::OpenedEnvelope;
use crate::harness::fault_injection::{FaultyService, Latch, Readiness, Script, send_request};
use crate::harness::log_capture;
use crate::harness::requests::{PLAINTEXT_RESPONSE, SEALED_RESPONSE, attested, plain};
use crate::harness::row::{Row, row};
use crate::harness::service::PIPE_LENGTH;
use crate::harness::summary::Outcome::Accepted;
use crate::secret_search;

/// The number of requests that are sent concurrently.
const CONCURRENT_REQUESTS: usize = 1000;

pub(crate) fn rows() -> Vec<Row> {
    vec![thousand_concurrent_requests(), cancelled_futures(), marked_nsm_output()]
}

fn thousand_concurrent_requests() -> Row {
    let row = row("F25", "1,000 concurrent requests: all outputs, keys, IVs, seeds distinct");
    let settings = [
        ("prefetched blocks", "max_age_ms = 60000\n"),
        ("reseed interval", "reseed = \"interval\"\n"),
    ];
    settings.into_iter().fold(row, |row, (case, lines)| {
        row.custom(case, Accepted, move || {
            // The time limit is long, so that no request times out on a slow machine.
            let deadlines = "deadline_ms = 60000\nwatchdog_ms = 120000\n";
            let threads = "[verification]\nthreads = 4\n";
            let lines = [lines, deadlines, threads].concat();
            let service =
                FaultyService::with_entropy_settings(&lines, false, Box::new(|_| None)).unwrap();
            assert_all_distinct(&responses(&service));
        })
    })
}

fn responses(service: &FaultyService) -> Vec<OpenedEnvelope> {
    service.block_on(async {
        let requests: Vec<_> = (0..CONCURRENT_REQUESTS)
            .map(|_| {
                let server = Arc::clone(&service.server);
                tokio::spawn(async move { send_request(&server, attested()).await })
            })
            .collect();
        let mut opened = Vec::with_capacity(CONCURRENT_REQUESTS);
        for request in requests {
            let response = request.await.unwrap();
            let sealed = response.blob("CiphertextForRecipient");
            opened.push(OpenedEnvelope::open(
                &sealed.unwrap_or_else(|| panic!("{}", response.body())),
            ));
        }
        opened
    })
}

/// Asserts that all values are distinct. Values of different kinds are also compared if they have
/// the same length.
fn assert_all_distinct(opened: &[OpenedEnvelope]) {
    assert_eq!(opened.len(), CONCURRENT_REQUESTS);
    let long = |opened: &OpenedEnvelope| {
        let OpenedEnvelope { content, content_key, oaep_seed, .. } = opened;
        let parts = [content, content_key, oaep_seed].map(Clone::clone);
        assert!(parts.iter().all(|part| part.len() == 32));
        parts
    };
    let distinct: BTreeSet<Vec<u8>> = opened.iter().flat_map(long).collect();
    assert_eq!(distinct.len(), 3 * CONCURRENT_REQUESTS);
    let ivs: BTreeSet<&[u8]> = opened.iter().map(|opened| &opened.iv[..]).collect();
    assert_eq!(ivs.len(), CONCURRENT_REQUESTS);
}

fn cancelled_futures() -> Row {
    row("F27", "a request dropped at every await point: nothing held, no secret queued").custom(
        "after each step",
        Accepted,
        || {
            for mode in ["per-request", "interval"] {
                for request in [plain(), attested()] {
                    let mut steps = 0;
                    while !completes_after(steps, mode, &request) {
                        steps += 1;
                    }
                    // The request waits at least for its own bytes, for the entropy block and for
                    // the client.
                    assert!(steps >= 2, "{steps}");
                }
            }
        },
    )
}

/// Polls a request `steps` times, and then drops the request. The NSM is blocked at first. Asserts
/// that the service then works as before. Returns whether the request was complete.
fn completes_after(steps: usize, mode: &str, request: &[u8]) -> bool {
    let held = Latch::default();
    let blocked = held.clone();
    let script: Script = Box::new(move |draw| {
        if draw == 0 {
            blocked.wait();
        }
        None
    });
    let lines = format!("deadline_ms = 60000\nreseed = \"{mode}\"\n");
    let service = FaultyService::with_entropy_settings(&lines, false, script).unwrap();
    let ended = service.block_on(async {
        let (mut client, stream) = duplex(PIPE_LENGTH);
        let mut connection =
            pin!(service.server.serve_connection(stream, TransportSecurity::NoTls, pending()));
        let mut context = Context::from_waker(Waker::noop());
        // The request is sent in three pieces, so that it is also dropped within its head and
        // within its body.
        let (head, body) = request.split_at(request.len() - 10);
        let pieces = [&head[..20], &head[20..], body];
        let mut ended = false;
        for step in 0..steps {
            if let Some(piece) = pieces.get(step) {
                client.write_all(piece).await.unwrap();
            } else if step == pieces.len() {
                client.shutdown().await.unwrap();
            } else {
                held.release();
            }
            if let Poll::Ready(()) = connection.as_mut().poll(&mut context) {
                ended = true;
                break;
            }
            if step > pieces.len() {
                tokio::task::yield_now().await;
            }
        }
        ended
    });
    held.release();
    // The next requests succeed, and no unused block remains.
    service.assert_response(&PLAINTEXT_RESPONSE, &SEALED_RESPONSE, "afterwards");
    assert_eq!(service.readiness(), Readiness::Ready);
    assert_eq!(service.metric("nsm_blocks_prefetched"), 0);
    ended || steps > 1000
}

/// Returns the bytes with which each block of the NSM starts. Only the last bytes of a block
/// differ.
fn canary() -> Vec<u8> {
    (0..240_u8).map(|byte| byte.wrapping_mul(167) ^ 0x5a).collect()
}

fn marked_nsm_output() -> Row {
    row("F29", "a marked NSM pattern is in no log, metric or error").custom(
        "in valid and in rejected blocks",
        Accepted,
        || {
            drop(log_capture::take());
            let script: Script = Box::new(|draw| {
                let mut random = [canary(), vec![0; 16]].concat();
                attestation::crypto::fill_random(&mut random[240..]).unwrap();
                // The last two kinds of response are invalid: a response of another type, and a
                // block that is too long.
                match draw {
                    0..4 => Some(Ok(Response::GetRandom { random })),
                    4 => Some(Ok(Response::Attestation { document: random })),
                    _ => Some(Ok(Response::GetRandom { random: [random, vec![7; 2]].concat() })),
                }
            });
            let service = FaultyService::start(script);
            let mut output = Vec::new();
            for sealed in [false, true, false, true, false, true] {
                let response = service.generate(sealed);
                output.extend_from_slice(response.body().as_bytes());
                if let Some(sealed) = response.blob("CiphertextForRecipient") {
                    output.extend(OpenedEnvelope::open(&sealed).content);
                }
            }
            assert_eq!(service.metric("nsm_faults_total{cause=\"length\"}"), 1);
            output.extend_from_slice(service.metrics_and_readiness().as_bytes());
            output.extend(log_capture::take());
            let nsm_thread_log = log_capture::nsm_thread_log();
            let fault = b"258 random bytes instead of 256";
            assert!(nsm_thread_log.windows(fault.len()).any(|window| window == fault));
            output.extend(nsm_thread_log);
            assert_eq!(secret_search::find(&canary(), &output), None);
        },
    )
}
