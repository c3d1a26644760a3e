//! Tests of the two PCRs that measure the configuration.

use super::*;
use crate::pcr_extension::ConfigDigests;

fn measured() -> ConfigDigests {
    ConfigDigests { public: [1; 48], secrets: [2; 48] }
}

/// Starts an NSM whose responses `override_call` may replace. Returns the fault of the start and the
/// requests that extend or lock PCRs.
async fn measure(
    measured: Option<ConfigDigests>,
    mut override_call: impl FnMut(&Request) -> Option<CallResult> + Send + 'static,
) -> (Option<NsmFault>, Vec<Request>) {
    let (sender, requests) = mpsc::channel();
    let nsm = TestNsm::new(move |_, request| {
        let copy = match request {
            Request::ExtendPCR { index, data } => {
                Some(Request::ExtendPCR { index: *index, data: data.clone() })
            }
            Request::LockPCR { index } => Some(Request::LockPCR { index: *index }),
            _ => None,
        };
        if let Some(copy) = copy {
            sender.send(copy).unwrap();
        }
        override_call(request)
    });
    let metrics = NsmMetrics::unregistered();
    let settings = settings();
    let started = NsmHandle::start(nsm, SystemClock, &settings, measured, metrics);
    let fault = started.await.unwrap().err();
    (fault, requests.try_iter().collect())
}

#[tokio::test]
async fn measures_the_configuration_and_locks_both_registers() {
    let (fault, requests) = measure(Some(measured()), |_| None).await;
    assert_eq!(fault, None);
    let expected = [
        Request::ExtendPCR { index: 16, data: vec![1; 48] },
        Request::LockPCR { index: 16 },
        Request::ExtendPCR { index: 17, data: vec![2; 48] },
        Request::LockPCR { index: 17 },
    ];
    assert_eq!(format!("{requests:?}"), format!("{expected:?}"));
    let (fault, requests) = measure(None, |_| None).await;
    assert_eq!(fault, None);
    let expected = [Request::LockPCR { index: 16 }, Request::LockPCR { index: 17 }];
    assert_eq!(format!("{requests:?}"), format!("{expected:?}"));
}

#[tokio::test]
async fn start_fails_if_a_register_was_extended_before() {
    for index in [16, 17] {
        let other = move |request: &Request| match request {
            Request::ExtendPCR { index: i, .. } if *i == index => {
                Some(Ok(Response::ExtendPCR { data: vec![3; 48] }))
            }
            _ => None,
        };
        let (fault, requests) = measure(Some(measured()), other).await;
        assert_eq!(fault, Some(NsmFault::Register { index }));
        assert_eq!(requests.len(), if index == 16 { 1 } else { 3 });
        for on_extend in [true, false] {
            let reject = move |request: &Request| {
                let refused = match request {
                    Request::ExtendPCR { index: i, .. } => *i == index && on_extend,
                    Request::LockPCR { index: i } => *i == index && !on_extend,
                    _ => false,
                };
                refused.then_some(Ok(Response::Error(ErrorCode::ReadOnlyIndex)))
            };
            let (fault, _) = measure(Some(measured()), reject).await;
            assert_eq!(fault, Some(error_response("ReadOnlyIndex")));
        }
    }
}
