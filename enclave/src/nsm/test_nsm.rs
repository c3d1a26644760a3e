//! An NSM for tests.

use attestation::crypto::fill_random;
use attestation::time::UnixMillis;
use nsm_device::{ErrorCode, Nsm, NsmError, Request, Response};

use crate::clock::{Clock, SystemClock};
use crate::pcr_extension::extended_once;

/// An NSM that works by default. `override_call` receives the number and the request of each call, and may
/// replace the response.
pub(crate) struct TestNsm<F> {
    calls: usize,
    override_call: F,
}

/// The result of a call.
pub(crate) type CallResult = Result<Response, NsmError>;

impl<F: FnMut(usize, &Request) -> Option<CallResult> + Send + 'static> TestNsm<F> {
    pub(crate) fn new(override_call: F) -> Self {
        Self { calls: 0, override_call }
    }
}

/// Returns an NSM that always works.
pub(crate) fn working() -> TestNsm<fn(usize, &Request) -> Option<CallResult>> {
    TestNsm::new(|_, _| None)
}

impl<F: FnMut(usize, &Request) -> Option<CallResult> + Send + 'static> Nsm for TestNsm<F> {
    fn process(&mut self, request: Request) -> CallResult {
        let call = self.calls;
        self.calls += 1;
        (self.override_call)(call, &request).unwrap_or_else(|| Ok(default_response(&request)))
    }
}

/// Returns the response of a working NSM.
pub(super) fn default_response(request: &Request) -> Response {
    match request {
        Request::GetRandom => {
            let mut random = vec![0; 256];
            fill_random(&mut random).unwrap();
            Response::GetRandom { random }
        }
        Request::Attestation { .. } => Response::Attestation { document: document() },
        Request::DescribePCR { .. } => Response::DescribePCR { lock: true, data: vec![1; 48] },
        Request::ExtendPCR { data, .. } => match <[u8; 48]>::try_from(data.as_slice()) {
            Ok(digest) => Response::ExtendPCR { data: extended_once(digest).to_vec() },
            Err(_) => Response::Error(ErrorCode::InvalidArgument),
        },
        Request::LockPCR { .. } => Response::LockPCR,
        _ => Response::Error(ErrorCode::InvalidOperation),
    }
}

fn document() -> Vec<u8> {
    document_at(SystemClock.now())
}

/// Returns a document that contains only the time.
pub(super) fn document_at(now: UnixMillis) -> Vec<u8> {
    let now = now.as_millis().to_be_bytes();
    [b"\x84\x40\xa0\x54\xa1\x69timestamp\x1b", &now[..], b"\x40"].concat()
}
