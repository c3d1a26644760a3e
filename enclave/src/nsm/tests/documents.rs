//! Documents of the enclave's own, for who asks.

use super::*;

/// A module whose documents are nonces, or a fault.
fn attesting(
    document: impl Fn(Vec<u8>) -> Answer + Send + 'static,
) -> FakeNsm<impl FnMut(usize, &Request) -> Option<Answer> + Send + 'static> {
    FakeNsm::new(move |_, request| match request {
        Request::Attestation { nonce: Some(nonce), user_data: None, public_key: None } => {
            Some(document(nonce.to_vec()))
        }
        _ => None,
    })
}

#[tokio::test]
async fn each_caller_gets_the_document_with_its_own_nonce() {
    let nsm = attesting(|nonce| Ok(Response::Attestation { document: nonce }));
    let nsm = start(nsm, settings()).await.unwrap();
    let ask = |nonce: u8| nsm.document(vec![nonce; 16], None, nsm.deadline());
    let (one, two, block, three) = tokio::join!(ask(1), ask(2), take(&nsm), ask(3));
    assert_eq!([one, two, three], [1, 2, 3].map(|nonce| Ok(vec![nonce; 16])));
    block.unwrap();
}

#[tokio::test]
async fn a_document_that_fails_is_told_to_its_caller_alone() {
    let nsm = attesting(|_| Ok(Response::Error(ErrorCode::InternalError)));
    let nsm = start(nsm, settings()).await.unwrap();
    let failed = nsm.document(vec![1; 16], None, nsm.deadline()).await;
    assert_eq!(failed, Err(refused("InternalError")));
    assert_eq!((nsm.fault(), nsm.metrics.faults(&refused("InternalError"))), (None, 1));
    take(&nsm).await.unwrap();
}

#[tokio::test]
async fn nobody_waits_for_a_document_of_a_module_that_is_not_asked_any_more() {
    let stuck = NsmFault::Unhealthy(HealthFault::RepetitionCount);
    let nsm = broken(START_UP_CALLS, || Ok(Response::GetRandom { random: vec![0; 256] }));
    let nsm = start(nsm, settings()).await.unwrap();
    assert_eq!(take(&nsm).await.err(), Some(stuck));
    assert_eq!(nsm.document(vec![1; 16], None, nsm.deadline()).await, Err(stuck));
    // One that waits when it happens.
    let (nsm, begun, hold) = held(|| Ok(Response::GetRandom { random: vec![0; 256] }));
    let nsm = start(nsm, settings()).await.unwrap();
    let (block, document, ()) = tokio::join!(
        biased;
        take(&nsm),
        async {
            eventually(|| begun.load(Ordering::SeqCst)).await;
            nsm.document(vec![1; 16], None, nsm.deadline()).await
        },
        async {
            eventually(|| begun.load(Ordering::SeqCst)).await;
            drop(hold);
        },
    );
    assert_eq!((block.err(), document), (Some(stuck), Err(stuck)));
}

/// A module whose first call after the start is held until the sender is dropped, and whether it has
/// been made.
fn held(answer: fn() -> Answer) -> (impl Nsm, Arc<AtomicBool>, mpsc::Sender<()>) {
    let (hold, held) = mpsc::channel::<()>();
    let begun = Arc::new(AtomicBool::new(false));
    let began = Arc::clone(&begun);
    let nsm = FakeNsm::new(move |call, _| {
        (call == START_UP_CALLS).then(|| {
            began.store(true, Ordering::SeqCst);
            // It ends by the sender's end.
            let _ = held.recv();
            answer()
        })
    });
    (nsm, begun, hold)
}

#[tokio::test]
async fn a_document_is_waited_for_until_the_deadline_by_so_many() {
    let (nsm, begun, hold) = held(|| Err(NsmError::Malformed));
    let nsm = start(nsm, settings()).await.unwrap();
    let place = nsm.queue.take(Instant::now());
    eventually(|| begun.load(Ordering::SeqCst)).await;
    let ask =
        || nsm.document(vec![1; 16], None, Deadline::after(Duration::ZERO, Pauses::of_process()));
    assert_eq!(ask().await, Err(NsmFault::Deadline { deadline: BOUND }));
    let mut places = Vec::new();
    for _ in 1..MAX_ERRANDS {
        let (reply, place) = oneshot::channel();
        nsm.queue.send(Errand { nonce: Vec::new(), user_data: None, reply }).unwrap();
        places.push(place);
    }
    assert_eq!(ask().await, Err(NsmFault::Full));
    drop(hold);
    // Whoever has left is not asked for, and those who wait are.
    for place in places {
        place.await.unwrap().unwrap();
    }
    // One was made at start.
    let made = nsm.metrics.calls.attestation.get();
    assert_eq!(usize::try_from(made).unwrap(), 1 + MAX_ERRANDS - 1);
    drop(place);
}
