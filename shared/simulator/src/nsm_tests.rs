use std::time::Instant;

use super::*;
use crate::FaultTrigger;
use attestation::time::UnixMillis;
use attestation::{DebugMode, TrustAnchors, UnverifiedDocument};

const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);

fn nsm() -> SimulatedNsm {
    SimulatedNsm::new(Arc::new(SimulatedPki::new(Arc::new(|| NOW)).unwrap()))
}

fn call(nsm: &mut SimulatedNsm, request: Request) -> Response {
    nsm.process(request).unwrap()
}

fn is_error(response: &Response, expected: &str) -> bool {
    matches!(response, Response::Error(code) if format!("{code:?}") == expected)
}

#[test]
fn get_random_returns_a_block_that_differs() {
    let mut nsm = nsm();
    let mut draw = || match call(&mut nsm, Request::GetRandom) {
        Response::GetRandom { random } => random,
        _ => panic!("not random bytes"),
    };
    let (first, second) = (draw(), draw());
    assert_eq!(first.len(), RANDOM_BLOCK_LENGTH);
    assert_ne!(first, second);
}

#[test]
fn extends_registers_until_locked() {
    let mut nsm = nsm();
    let extend = |index| Request::ExtendPCR { index, data: b"data".to_vec() };
    assert!(is_error(&call(&mut nsm, extend(0)), "ReadOnlyIndex"));
    assert!(is_error(&call(&mut nsm, extend(32)), "InvalidIndex"));
    let expected: PcrValue =
        Sha384::new().chain_update([0; PCR_LENGTH]).chain_update(b"data").finalize().into();
    let Response::ExtendPCR { data } = call(&mut nsm, extend(16)) else { panic!("not extended") };
    assert_eq!(data, expected);
    assert!(matches!(call(&mut nsm, Request::LockPCR { index: 16 }), Response::LockPCR));
    assert!(is_error(&call(&mut nsm, extend(16)), "ReadOnlyIndex"));
    let Response::DescribePCR { lock, data } = call(&mut nsm, Request::DescribePCR { index: 16 })
    else {
        panic!("not described")
    };
    assert!(lock && data == expected);
    assert!(matches!(call(&mut nsm, Request::LockPCRs { range: 32 }), Response::LockPCRs));
    assert!(is_error(&call(&mut nsm, Request::LockPCRs { range: 33 }), "InvalidIndex"));
    assert!(is_error(&call(&mut nsm, extend(31)), "ReadOnlyIndex"));
}

#[test]
fn describe_nsm_returns_module_and_locked_pcrs() {
    let Response::DescribeNSM { module_id, max_pcrs, locked_pcrs, .. } =
        call(&mut nsm(), Request::DescribeNSM)
    else {
        panic!("not described")
    };
    assert!(module_id.starts_with("simulated-"));
    assert_eq!(max_pcrs, 32);
    assert_eq!(locked_pcrs, (0..16).collect());
}

#[test]
fn attests_locked_registers_and_request_fields() {
    let mut nsm = nsm();
    call(&mut nsm, Request::ExtendPCR { index: 16, data: b"data".to_vec() });
    call(&mut nsm, Request::LockPCR { index: 16 });
    let request = Request::Attestation {
        user_data: Some(ByteBuf::from(vec![1; 1024])),
        nonce: None,
        public_key: Some(ByteBuf::from(vec![2])),
    };
    let Response::Attestation { document } = call(&mut nsm, request) else {
        panic!("not attested")
    };
    let anchors = TrustAnchors::simulator_root(nsm.pki.root_certificate());
    let document = UnverifiedDocument::parse(document)
        .unwrap()
        .verify_at_document_time(&anchors, DebugMode::Reject)
        .unwrap();
    let claims = document.claims();
    assert_eq!(claims.pcrs().iter().count(), 17);
    assert_eq!(claims.user_data(), Some(&[1; 1024][..]));
    assert_eq!((claims.nonce(), claims.public_key()), (None, Some(&[2][..])));
    let too_long = Request::Attestation {
        user_data: Some(ByteBuf::from(vec![1; 1025])),
        nonce: None,
        public_key: None,
    };
    assert!(is_error(&call(&mut nsm, too_long), "InputTooLarge"));
}

#[test]
fn image_changes_its_registers_only() {
    let registers = |mut nsm: SimulatedNsm| {
        [0, 1, 2, 3, 8].map(|index| match call(&mut nsm, Request::DescribePCR { index }) {
            Response::DescribePCR { lock: true, data } => data,
            _ => panic!("not described"),
        })
    };
    let default = registers(nsm());
    let [old, new] = ["v1", "v2"].map(|image| registers(nsm().with_image(image)));
    for (index, value) in image_pcrs("v2") {
        let index = usize::from(index);
        assert_eq!(new[index], value);
        assert!(new[index] != old[index] && new[index] != default[index]);
    }
    assert_eq!((&new[3..], &old[3..]), (&default[3..], &default[3..]));
}

/// Returns the responses of a module to `GetRandom`, with `None` for an error.
fn blocks(faults: FaultInjection, count: usize) -> Vec<Option<Vec<u8>>> {
    let pki = Arc::new(SimulatedPki::new(Arc::new(|| NOW)).unwrap());
    let mut nsm = SimulatedNsm::with_faults(faults, pki);
    let readiness = nsm.readiness();
    let mut block = |_| match nsm.process(Request::GetRandom) {
        Ok(Response::GetRandom { random }) => Some(random),
        Ok(Response::Error(_)) | Err(NsmError::Malformed) => None,
        _ => panic!("unexpected response"),
    };
    // The calls before the service is ready return correct blocks and are not counted.
    assert!((0..3).all(|number| block(number).is_some_and(|block| block.len() == 256)));
    readiness.set_ready();
    (0..count).map(block).collect()
}

#[test]
fn injects_fault_after_configured_calls() {
    let counter: Vec<u8> = (0..=255).collect();
    for fault in [
        Fault::Empty,
        Fault::Short,
        Fault::Long,
        Fault::Repeat,
        Fault::Zeros,
        Fault::Ones,
        Fault::Counter,
        Fault::Stuck,
        Fault::Error,
        Fault::Malformed,
    ] {
        let fault_after = FaultInjection {
            fault: Some((fault, FaultTrigger::AfterReady { calls: 2 })),
            ..FaultInjection::default()
        };
        let blocks = blocks(fault_after, 4);
        let [Some(first), Some(second), third, fourth] = &blocks[..] else { panic!() };
        assert!(first.len() == 256 && second.len() == 256 && first != second, "{fault:?}");
        for broken in [third, fourth] {
            let length = broken.as_ref().map(Vec::len);
            let holds = match fault {
                Fault::Empty => length == Some(0),
                Fault::Short => length == Some(255),
                Fault::Long => length == Some(257),
                Fault::Repeat => broken.as_ref() == Some(second),
                Fault::Zeros => *broken == Some(vec![0; 256]),
                Fault::Ones => *broken == Some(vec![0xff; 256]),
                Fault::Counter => broken.as_ref() == Some(&counter),
                Fault::Stuck => {
                    let block = broken.as_ref().unwrap();
                    block.len() == 256 && block.iter().all(|byte| *byte == block[0])
                }
                Fault::Error | Fault::Malformed => broken.is_none(),
                Fault::Hang => panic!("a hang lasts two minutes"),
            };
            assert!(holds, "{fault:?}: {broken:?}");
        }
    }
}

#[test]
fn calls_take_the_configured_latency() {
    let latency = Duration::from_millis(20);
    let start = Instant::now();
    blocks(FaultInjection { latency, fault: None }, 3);
    assert!(start.elapsed() >= 3 * latency);
}

#[test]
fn rejects_invalid_requests() {
    let response = nsm().ioctl(&[0xff]).unwrap();
    let response: Response = serde_cbor::from_slice(&response).unwrap();
    assert!(is_error(&response, "InvalidOperation"));
    let large = Request::ExtendPCR { index: 16, data: vec![0; MAX_REQUEST_LENGTH] };
    assert!(is_error(&call(&mut nsm(), large), "InputTooLarge"));
}
