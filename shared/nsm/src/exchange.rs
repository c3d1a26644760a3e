//! One request to the NSM and its response, without the system call.
//!
//! The crate `aws-nitro-enclaves-nsm-api` has a function for this purpose, which is not used for two reasons. It
//! leaves a copy of the response on the stack, although the response may contain random bytes. It returns the
//! same error for all failures.

use std::fmt;
use std::io;

use thiserror::Error;
use zeroize::Zeroize;

use super::{Request, Response};

/// Maximum length of a request, in bytes (`NSM_REQUEST_MAX_SIZE` of Linux's nsm.c).
const MAX_REQUEST_LENGTH: usize = 4096;

/// Maximum length of a response, in bytes (`NSM_RESPONSE_MAX_SIZE` of Linux's nsm.c).
const MAX_RESPONSE_LENGTH: usize = 12_288;

/// Maximum number of attempts if signals interrupt the call.
const MAX_ATTEMPTS: usize = 16;

/// A reason why the device returned no response.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NsmError {
    /// The system call failed.
    #[error("{}", io::Error::from_raw_os_error(*errno))]
    Ioctl {
        /// The `errno` of the system call.
        errno: i32,
    },
    /// The request has more than 4,096 bytes.
    #[error("the request has more than 4096 bytes")]
    RequestTooLong,
    /// The received bytes are not a response.
    #[error("the response is not valid CBOR of the NSM")]
    Malformed,
}

/// The buffer for responses. All calls use the same buffer, which is wiped after each call.
pub(super) struct ResponseBuffer(Box<[u8; MAX_RESPONSE_LENGTH]>);

impl ResponseBuffer {
    pub(super) fn new() -> Self {
        Self(Box::new([0; MAX_RESPONSE_LENGTH]))
    }
}

impl fmt::Debug for ResponseBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResponseBuffer(..)")
    }
}

/// Sends `request` with `call` and decodes the response.
///
/// `call` receives the encoded request and the buffer for the response. `call` returns the response's length
/// or an `errno`.
pub(super) fn exchange(
    request: &Request,
    buffer: &mut ResponseBuffer,
    mut call: impl FnMut(&[u8], &mut [u8]) -> Result<usize, i32>,
) -> Result<Response, NsmError> {
    let request = serde_cbor::to_vec(request).map_err(|_| NsmError::RequestTooLong)?;
    if request.len() > MAX_REQUEST_LENGTH {
        return Err(NsmError::RequestTooLong);
    }
    let buffer = buffer.0.as_mut_slice();
    let mut attempts = 1;
    let response = loop {
        match call(&request, buffer) {
            Err(libc::EINTR) if attempts < MAX_ATTEMPTS => attempts += 1,
            Err(errno) => break Err(NsmError::Ioctl { errno }),
            Ok(length) => break decode(buffer, length),
        }
    };
    buffer.zeroize();
    response
}

fn decode(buffer: &[u8], length: usize) -> Result<Response, NsmError> {
    let response = buffer.get(..length).ok_or(NsmError::Malformed)?;
    serde_cbor::from_slice(response).map_err(|_| NsmError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    /// Sends GetRandom with `call`. Returns the result and the buffer.
    fn exchange_with(
        mut call: impl FnMut(&mut [u8]) -> Result<usize, i32>,
    ) -> (Result<Response, NsmError>, ResponseBuffer) {
        let mut buffer = ResponseBuffer::new();
        let response = exchange(&Request::GetRandom, &mut buffer, |request, response| {
            // A unit variant is encoded as its name, not as {"GetRandom": null}.
            assert_eq!(request, b"\x69GetRandom");
            call(response)
        });
        (response, buffer)
    }

    fn responding(response: &Response) -> impl FnMut(&mut [u8]) -> Result<usize, i32> {
        let encoded = serde_cbor::to_vec(response).unwrap();
        move |buffer| {
            buffer[..encoded.len()].copy_from_slice(&encoded);
            Ok(encoded.len())
        }
    }

    #[test]
    fn returns_response_and_wipes_buffer() {
        let random = vec![0xa5; 256];
        let (response, buffer) =
            exchange_with(responding(&Response::GetRandom { random: random.clone() }));
        assert!(matches!(response, Ok(Response::GetRandom { random: given }) if given == random));
        assert_eq!(*buffer.0, [0; MAX_RESPONSE_LENGTH]);
    }

    #[test]
    fn wipes_buffer_after_error() {
        for end in [Err(libc::EIO), Ok(3), Ok(MAX_RESPONSE_LENGTH + 1)] {
            let (response, buffer) = exchange_with(|buffer| {
                buffer.fill(0xff);
                end
            });
            assert!(response.is_err());
            assert_eq!(*buffer.0, [0; MAX_RESPONSE_LENGTH]);
        }
    }

    #[test]
    fn returns_errno() {
        for errno in [libc::EIO, libc::EMSGSIZE, libc::ETIMEDOUT, libc::ENOTTY] {
            let (response, _) = exchange_with(|_| Err(errno));
            assert_eq!(response.err(), Some(NsmError::Ioctl { errno }));
        }
        let text = NsmError::Ioctl { errno: libc::EIO }.to_string();
        assert_eq!(text, "Input/output error (os error 5)");
    }

    #[test]
    fn retries_interrupted_call_at_most_16_times() {
        let mut good = responding(&Response::LockPCR);
        let mut interruptions = 15;
        let (response, _) = exchange_with(|buffer| match interruptions {
            0 => good(buffer),
            _ => {
                interruptions -= 1;
                Err(libc::EINTR)
            }
        });
        assert!(matches!(response, Ok(Response::LockPCR)));
        let mut calls = 0;
        let (response, _) = exchange_with(|_| {
            calls += 1;
            Err(libc::EINTR)
        });
        assert_eq!(response.err(), Some(NsmError::Ioctl { errno: libc::EINTR }));
        assert_eq!(calls, MAX_ATTEMPTS);
    }

    #[test]
    fn rejects_invalid_response() {
        let good = serde_cbor::to_vec(&Response::LockPCR).unwrap();
        let trailing = [&good[..], &[0]].concat();
        for bytes in [&[][..], &[0xff], b"\x69GetRandom", &good[..good.len() - 1], &trailing] {
            let (response, _) = exchange_with(|buffer| {
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            });
            assert_eq!(response.err(), Some(NsmError::Malformed), "{bytes:x?}");
        }
        let (response, _) = exchange_with(|_| Ok(MAX_RESPONSE_LENGTH + 1));
        assert_eq!(response.err(), Some(NsmError::Malformed));
    }

    #[test]
    fn returns_error_code_of_module_as_response() {
        let (response, _) = exchange_with(responding(&Response::Error(ErrorCode::InvalidIndex)));
        assert!(matches!(response, Ok(Response::Error(ErrorCode::InvalidIndex))));
    }

    #[test]
    fn rejects_request_over_4096_bytes_without_call() {
        let request = Request::ExtendPCR { index: 16, data: vec![0; MAX_REQUEST_LENGTH] };
        let response =
            exchange(&request, &mut ResponseBuffer::new(), |_, _| panic!("unexpected call"));
        assert_eq!(response.err(), Some(NsmError::RequestTooLong));
    }
}
