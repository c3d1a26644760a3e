//! Tests of the attestation documents that callers request.

use super::*;

/// Returns an NSM that responds with the result of `document` to each request that contains a nonce.
fn nsm_with_documents(
    document: impl Fn(Vec<u8>) -> CallResult + Send + 'static,
) -> TestNsm<impl FnMut(usize, &Request) -> Option<CallResult> + Send + 'static> {
    TestNsm::new(move |_, request| match request {
        Request::Attestation { nonce: Some(nonce), public_key: None, .. } => {
            Some(document(nonce.to_vec()))
        }
        _ => None,
    })
}

#[tokio::test]
async fn each_caller_receives_its_own_document() {
    let nsm = nsm_with_documents(|nonce| Ok(Response::Attestation { document: nonce }));
    let nsm = start(nsm, settings()).await.unwrap();
    let request = |nonce: u8| nsm.document(vec![nonce; 16], nsm.deadline());
    let (one, two, block, three) = tokio::join!(request(1), request(2), take(&nsm), request(3));
    assert_eq!([one, two, three], [1, 2, 3].map(|nonce| Ok(vec![nonce; 16])));
    block.unwrap();
}

#[tokio::test]
async fn document_fault_is_returned_to_its_caller_only() {
    let nsm = nsm_with_documents(|_| Ok(Response::Error(ErrorCode::InternalError)));
    let nsm = start(nsm, settings()).await.unwrap();
    let failed = nsm.document(vec![1; 16], nsm.deadline()).await;
    assert_eq!(failed, Err(error_response("InternalError")));
    assert_eq!((nsm.fault(), nsm.metrics.faults(&error_response("InternalError"))), (None, 1));
    take(&nsm).await.unwrap();
}

#[tokio::test]
async fn latched_fault_ends_document_requests() {
    let stuck = NsmFault::Unhealthy(HealthFault::RepetitionCount);
    let nsm = nsm_failing_from(START_UP_CALLS, || Ok(Response::GetRandom { random: vec![0; 256] }));
    let nsm = start(nsm, settings()).await.unwrap();
    assert_eq!(take(&nsm).await.err(), Some(stuck));
    assert_eq!(nsm.document(vec![1; 16], nsm.deadline()).await, Err(stuck));
    // This caller already waits when the fault is latched.
    let (nsm, begun, hold) = blocking_nsm(|| Ok(Response::GetRandom { random: vec![0; 256] }));
    let nsm = start(nsm, settings()).await.unwrap();
    let (block, document, ()) = tokio::join!(
        biased;
        take(&nsm),
        async {
            eventually(|| begun.load(Ordering::SeqCst)).await;
            nsm.document(vec![1; 16], nsm.deadline()).await
        },
        async {
            eventually(|| begun.load(Ordering::SeqCst)).await;
            drop(hold);
        },
    );
    assert_eq!((block.err(), document), (Some(stuck), Err(stuck)));
}

/// Returns an NSM whose first call after the start blocks until the returned sender is dropped. The
/// returned flag is set when that call starts.
fn blocking_nsm(response: fn() -> CallResult) -> (impl Nsm, Arc<AtomicBool>, mpsc::Sender<()>) {
    let (hold, held) = mpsc::channel::<()>();
    let begun = Arc::new(AtomicBool::new(false));
    let began = Arc::clone(&begun);
    let nsm = TestNsm::new(move |call, _| {
        (call == START_UP_CALLS).then(|| {
            began.store(true, Ordering::SeqCst);
            // Returns an error when the sender is dropped.
            let _ = held.recv();
            response()
        })
    });
    (nsm, begun, hold)
}

#[tokio::test]
async fn document_requests_time_out_and_are_limited() {
    let (nsm, begun, hold) = blocking_nsm(|| Err(NsmError::Malformed));
    let nsm = start(nsm, settings()).await.unwrap();
    let receiver = nsm.queue.take(Instant::now());
    eventually(|| begun.load(Ordering::SeqCst)).await;
    let request =
        || nsm.document(vec![1; 16], Deadline::after(Duration::ZERO, PauseDetector::global()));
    assert_eq!(request().await, Err(NsmFault::TimedOut { deadline: BOUND }));
    let mut receivers = Vec::new();
    for _ in 1..MAX_TASKS {
        let (reply, receiver) = oneshot::channel();
        nsm.queue.submit(Task { request: DocumentRequest::Nonce(Vec::new()), reply }).unwrap();
        receivers.push(receiver);
    }
    assert_eq!(request().await, Err(NsmFault::QueueFull));
    drop(hold);
    // The NSM signs no document for the cancelled caller, and one document for each other caller.
    for receiver in receivers {
        receiver.await.unwrap().unwrap();
    }
    // One document was made at the start.
    let made = nsm.metrics.calls.attestation.get();
    assert_eq!(usize::try_from(made).unwrap(), 1 + MAX_TASKS - 1);
    drop(receiver);
}

/// Returns an NSM whose documents contain their request's `user_data` and nonce instead of a signature. The calls for
/// documents with the numbers `failing` fail.
fn nsm_with_identity(
    failing: &'static [usize],
) -> TestNsm<impl FnMut(usize, &Request) -> Option<CallResult> + Send + 'static> {
    let mut documents = 0;
    TestNsm::new(move |_, request| {
        let Request::Attestation { user_data, nonce, .. } = request else { return None };
        documents += 1;
        if failing.contains(&documents) {
            return Some(Err(NsmError::Malformed));
        }
        let fields: Vec<u8> =
            [user_data, nonce].into_iter().flatten().flat_map(|f| f.to_vec()).collect();
        let mut document = document_at(SystemClock.now());
        // The last byte is the head of an empty byte string.
        *document.last_mut().unwrap() |= u8::try_from(fields.len()).unwrap();
        document.extend(fields);
        Some(Ok(Response::Attestation { document }))
    })
}

#[tokio::test]
async fn identity_takes_effect_with_its_first_document() {
    let nsm = start(nsm_with_identity(&[3]), settings()).await.unwrap();
    assert_eq!(nsm.current_document(), None);
    nsm.set_identity(b" one".to_vec()).await.unwrap();
    assert!(nsm.current_document().unwrap().ends_with(b" one"));
    // The NSM signs no document with the second identity.
    let failed = nsm.set_identity(b" two".to_vec()).await;
    assert_eq!(failed, Err(NsmFault::Device(NsmError::Malformed)));
    assert!(nsm.current_document().unwrap().ends_with(b" one"));
    let document = nsm.document(b" nonce".to_vec(), nsm.deadline()).await.unwrap();
    assert!(document.ends_with(b" one nonce"));
    // A document for a caller is not the current document.
    assert!(nsm.current_document().unwrap().ends_with(b" one"));
}

#[tokio::test]
async fn clock_synchronization_renews_the_current_document() {
    let nsm = start(nsm_with_identity(&[]), settings()).await.unwrap();
    nsm.set_identity(b" one".to_vec()).await.unwrap();
    let first = nsm.current_document().unwrap();
    PauseDetector::global().simulate_pause();
    eventually(|| nsm.current_document().unwrap() != first).await;
    assert!(nsm.current_document().unwrap().ends_with(b" one"));
}
