//! Rows F: faults of the NSM. Callers must receive an error and no random bytes. The response of
//! `/readyz` must contain the reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nsm_device::{ErrorCode, NsmDevice, NsmError, Response};

use crate::harness::fault_injection::{FaultyService, Latch, Readiness, Script};
use crate::harness::requests::{PLAINTEXT_RESPONSE, SEALED_RESPONSE};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome::{Accepted, Rejected};

/// Linux error numbers.
const EIO: i32 = 5;
const EINTR: i32 = 4;
const EMSGSIZE: i32 = 90;

/// The NSM's response to a draw.
type NsmResult = Result<Response, NsmError>;
/// A function that returns the NSM's response.
type NsmBehaviour = fn() -> NsmResult;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        unopenable_nsm(),
        nsm_error_codes(),
        lengths(),
        repeated_output(),
        non_random_blocks(),
        malformed_responses(),
        blocked_nsm(),
        later_block_fails(),
    ]
}

/// Returns the expected response to a request during a fault.
pub(crate) fn internal() -> Expected {
    Expected::error(
        500,
        "KMSInternalException",
        "An internal error prevented the request from being fulfilled. Try again.",
    )
}

/// Returns the expected response to a request that reached its deadline.
fn timeout() -> Expected {
    Expected::error(
        500,
        "DependencyTimeoutException",
        "The entropy source did not respond in time. Try again.",
    )
}

fn block(bytes: impl IntoIterator<Item = u8>) -> NsmResult {
    Ok(Response::GetRandom { random: bytes.into_iter().collect() })
}

/// Creates a script that replaces the NSM's responses to the entropy draws with these numbers.
fn at(
    draws: std::ops::Range<u64>,
    mut behaviour: impl FnMut() -> NsmResult + Send + 'static,
) -> Script {
    Box::new(move |draw| draws.contains(&draw).then(&mut behaviour))
}

/// Adds two cases. In the first, the NSM's fault begins while the service runs. Requests fail,
/// `/readyz` reports `reason`, and the service recovers from the fault if `recovers` is true. In
/// the second, the fault exists at boot.
fn nsm_fault(row: Row, case: &str, reason: &str, recovers: bool, behaviour: NsmBehaviour) -> Row {
    let reason = match recovers {
        true => reason.to_owned(),
        false => format!("the NSM is unhealthy until this service is restarted: {reason}"),
    };
    let (in_service, at_boot) = (reason.clone(), reason);
    row.custom(format!("{case}, in service"), Rejected, move || {
        let broken = Arc::new(AtomicBool::new(false));
        let nsm_is_broken = Arc::clone(&broken);
        let script: Script =
            Box::new(move |_| nsm_is_broken.load(Ordering::SeqCst).then(behaviour));
        let (service, reason) = (FaultyService::start(script), &in_service);
        service.assert_response(&PLAINTEXT_RESPONSE, &SEALED_RESPONSE, "before");
        assert_eq!(service.readiness(), Readiness::Ready);
        broken.store(true, Ordering::SeqCst);
        for sealed in [false, true] {
            // The response closes the connection. The client's next connection may reach an enclave
            // that is ready.
            service.generate(sealed).assert_is(&internal().and_close(), reason);
            assert_eq!(service.readiness(), Readiness::not(reason));
        }
        broken.store(false, Ordering::SeqCst);
        if recovers {
            service.assert_response(&PLAINTEXT_RESPONSE, &SEALED_RESPONSE, "after");
            assert_eq!(service.readiness(), Readiness::Ready);
        } else {
            service.assert_response(&internal(), &internal(), "after");
            assert_eq!(service.readiness(), Readiness::not(reason));
        }
    })
    .custom(format!("{case}, at boot"), Rejected, move || {
        let error = FaultyService::with_entropy_settings("", true, at(0..u64::MAX, behaviour))
            .err()
            .unwrap();
        let expected = format!("{at_boot}; the service does not start");
        assert_eq!(error.to_string(), expected);
    })
}

fn unopenable_nsm() -> Row {
    row("F16", "NSM cannot be opened: no start").custom("no device", Rejected, || {
        let error = NsmDevice::open().unwrap_err().to_string();
        assert!(error.contains("/dev/nsm cannot be opened") && error.contains("enclave-simulator"));
    })
}

fn nsm_error_codes() -> Row {
    let row =
        row("F17", "each NSM error code: KMSInternalException, no other source of randomness");
    let nsm_error_codes: [(&str, NsmBehaviour); 9] = [
        ("Success", || Ok(Response::Error(ErrorCode::Success))),
        ("InvalidArgument", || Ok(Response::Error(ErrorCode::InvalidArgument))),
        ("InvalidIndex", || Ok(Response::Error(ErrorCode::InvalidIndex))),
        ("InvalidResponse", || Ok(Response::Error(ErrorCode::InvalidResponse))),
        ("ReadOnlyIndex", || Ok(Response::Error(ErrorCode::ReadOnlyIndex))),
        ("InvalidOperation", || Ok(Response::Error(ErrorCode::InvalidOperation))),
        ("BufferTooSmall", || Ok(Response::Error(ErrorCode::BufferTooSmall))),
        ("InputTooLarge", || Ok(Response::Error(ErrorCode::InputTooLarge))),
        ("InternalError", || Ok(Response::Error(ErrorCode::InternalError))),
    ];
    nsm_error_codes.into_iter().fold(row, |row, (code, behaviour)| {
        nsm_fault(row, code, &format!("the NSM returned error {code}"), true, behaviour)
    })
}

fn lengths() -> Row {
    let row = row("F18", "NSM returns 0, 1, 255, 257 bytes: fails closed");
    let lengths: [(usize, NsmBehaviour); 4] = [
        (0, || block([])),
        (1, || block([7])),
        (255, || block((0..255).map(|n: u8| n.wrapping_mul(n)))),
        (257, || block((0..=255).map(|n: u8| n.wrapping_mul(n)).chain([9]))),
    ];
    lengths.into_iter().fold(row, |row, (length, behaviour)| {
        let reason = format!("a call returned {length} random bytes instead of 256");
        nsm_fault(row, &format!("{length} bytes"), &reason, false, behaviour)
    })
}

fn repeated_output() -> Row {
    row("F19", "NSM repeats a block: latches unhealthy").custom("the last block", Rejected, || {
        // The block consists of random bytes. The repetition of the block is therefore the only
        // fault.
        let mut last = Vec::new();
        let service = FaultyService::start(Box::new(move |draw| {
            if last.is_empty() {
                last = vec![0; 256];
                attestation::crypto::fill_random(&mut last).unwrap();
            }
            (1..3).contains(&draw).then(|| block(last.iter().copied()))
        }));
        service.generate(false).assert_is(&PLAINTEXT_RESPONSE, "a first block");
        service.generate(false).assert_is(&PLAINTEXT_RESPONSE, "the block to be repeated");
        service.assert_response(&internal(), &internal(), "the repeated block, then valid blocks");
        let reason = "the NSM is unhealthy until this service is restarted: two calls returned \
                      the same bytes";
        assert_eq!(service.readiness(), Readiness::not(reason));
        assert_eq!(service.metric("nsm_faults_total{cause=\"repeated_output\"}"), 1);
        assert_eq!(service.metric("entropy_failures_total{cause=\"repeated_output\"}"), 2);
    })
}

fn non_random_blocks() -> Row {
    let row = row("F20", "all zero, all ones, counter, stuck byte: health test fails");
    let sources: [(&str, NsmBehaviour); 5] = [
        ("all zero", || block([0; 256])),
        ("all ones", || block([0xff; 256])),
        ("counter", || block(0..=255)),
        ("counter in steps of -7", || block((0..=255_u8).map(|n| n.wrapping_mul(249)))),
        ("stuck byte", || block([0x5a; 256])),
    ];
    let reason = "the repetition count test failed";
    let row = sources
        .into_iter()
        .fold(row, |row, (case, behaviour)| nsm_fault(row, case, reason, false, behaviour));
    let alternating = || block((0..=255_u8).map(|n| if n % 2 == 0 { 3 } else { 200 }));
    nsm_fault(
        row,
        "two alternating bytes",
        "the adaptive proportion test failed",
        false,
        alternating,
    )
}

fn malformed_responses() -> Row {
    let row = row("F21", "wrong response variant, malformed CBOR, EIO, EMSGSIZE, EINTR");
    let variants: [(&str, NsmBehaviour); 4] = [
        ("a register", || Ok(Response::DescribePCR { lock: true, data: vec![7; 48] })),
        ("a document", || Ok(Response::Attestation { document: vec![7; 256] })),
        ("a lock", || Ok(Response::LockPCR)),
        ("an extended register", || Ok(Response::ExtendPCR { data: vec![7; 256] })),
    ];
    let reason = "the NSM returned the response to another request";
    let row = variants
        .into_iter()
        .fold(row, |row, (case, behaviour)| nsm_fault(row, case, reason, true, behaviour));
    let errors: [(&str, &str, NsmBehaviour); 4] = [
        ("malformed CBOR", "the response is not valid CBOR of the NSM", || {
            Err(NsmError::Malformed)
        }),
        ("EIO", "Input/output error (os error 5)", || Err(NsmError::Ioctl { errno: EIO })),
        ("EMSGSIZE", "Message too long (os error 90)", || Err(NsmError::Ioctl { errno: EMSGSIZE })),
        ("EINTR, repeatedly", "Interrupted system call (os error 4)", || {
            Err(NsmError::Ioctl { errno: EINTR })
        }),
    ];
    errors.into_iter().fold(row, |row, (case, reason, behaviour)| {
        nsm_fault(row, case, &format!("the NSM device failed: {reason}"), true, behaviour)
    })
}

/// Creates a script that blocks the entropy draws with these numbers until the latch is released.
fn block_draws(draws: std::ops::Range<u64>, held: &Latch) -> Script {
    let held = held.clone();
    Box::new(move |draw| {
        if draws.contains(&draw) {
            held.wait();
        }
        None
    })
}

fn blocked_nsm() -> Row {
    row("F22", "NSM blocks: a response at the deadline, one thread held, watchdog latches")
        .custom("beyond the deadline", Rejected, || {
            let held = Latch::default();
            let entropy = "deadline_ms = 400\nwatchdog_ms = 60000\n";
            let service =
                FaultyService::with_entropy_settings(entropy, false, block_draws(0..1, &held)).unwrap();
            let calls = service.metric("nsm_calls_total{request=\"GetRandom\"}");
            service.assert_response(&timeout(), &timeout(), "blocked");
            let reason = "the NSM did not respond within 400 ms";
            assert_eq!(service.readiness(), Readiness::not(reason));
            // Both requests waited for the same NSM call.
            assert_eq!(service.metric("nsm_calls_total{request=\"GetRandom\"}"), calls + 1);
            assert_eq!(service.metric("entropy_failures_total{cause=\"timed_out\"}"), 2);
            held.release();
            // The service detects the recovery without a request for random bytes.
            let ready = (0..100_000).any(|_| service.readiness() == Readiness::Ready);
            assert!(ready);
            assert_eq!(service.readiness(), Readiness::Ready);
            service.assert_response(&PLAINTEXT_RESPONSE, &SEALED_RESPONSE, "released");
        })
        .custom("beyond the watchdog's limit", Rejected, || {
            let held = Latch::default();
            let entropy = "deadline_ms = 60000\nwatchdog_ms = 2500\n";
            let service =
                FaultyService::with_entropy_settings(entropy, false, block_draws(0..1, &held)).unwrap();
            service.assert_response(&internal(), &internal(), "blocked");
            let reason = "the NSM is unhealthy until this service is restarted: a call took longer than \
                          2.5 s";
            assert_eq!(service.readiness(), Readiness::not(reason));
            held.release();
            service.assert_response(&internal(), &internal(), "released");
            assert_eq!(service.readiness(), Readiness::not(reason));
            assert_eq!(service.metric("nsm_faults_total{cause=\"hung\"}"), 1);
        })
        .custom("at boot", Rejected, || {
            let held = Latch::default();
            let script = block_draws(0..u64::MAX, &held);
            let error = FaultyService::with_entropy_settings("watchdog_ms = 100\n", true, script)
                .err()
                .unwrap();
            assert!(error.to_string().contains("a call took longer than 100 ms"), "{error}");
            held.release();
        })
}

fn later_block_fails() -> Row {
    let row = row("F23", "failure after the first of several blocks: nothing returned");
    // At boot, the service tests four blocks, and each DRBG instance needs one block.
    let row = (0..6).fold(row, |row, count| {
        row.custom(format!("at boot, after {count} valid blocks"), Rejected, move || {
            let script = at(count..u64::MAX, || Err(NsmError::Malformed));
            let error = FaultyService::with_entropy_settings("", true, script).err().unwrap();
            assert!(error.to_string().contains("is not valid CBOR"), "{error}");
        })
    });
    row.custom("in the second of two requests", Accepted, || {
        let service = FaultyService::start(at(1..u64::MAX, || Err(NsmError::Malformed)));
        let statuses = [false, true].map(|sealed| service.generate(sealed).status());
        assert_eq!(statuses, [200, 500]);
    })
    .custom("within the reseed interval", Rejected, || {
        let entropy = "reseed = \"interval\"\nreseed_generate_calls = 2\n";
        let script = at(1..u64::MAX, || Err(NsmError::Malformed));
        let service = FaultyService::with_entropy_settings(entropy, false, script).unwrap();
        let statuses: Vec<_> = (0..6).map(|_| service.generate(false).status()).collect();
        // One block is enough for two requests. The later requests need another block and fail.
        assert_eq!(statuses, [200, 200, 500, 500, 500, 500]);
        let reason = "the NSM device failed: the response is not valid CBOR of the NSM";
        assert_eq!(service.readiness(), Readiness::not(reason));
    })
}
