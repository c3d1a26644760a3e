//! The Nitro Secure Module: `/dev/nsm` inside an enclave, one CBOR request and response an ioctl.

mod exchange;
mod ioctl;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

pub use aws_nitro_enclaves_nsm_api::api::{Digest, ErrorCode, Request, Response};
use thiserror::Error;

pub use self::exchange::NsmError;
use self::exchange::{ResponseBuffer, exchange};

/// Where the kernel's `nsm` driver puts the device.
pub const DEVICE_PATH: &str = "/dev/nsm";

/// Random bytes in one answer to `GetRandom`. Fewer are a fault.
pub const RANDOM_BLOCK_LENGTH: usize = 256;

/// A Nitro Secure Module. Calls block, for as long as the hypervisor takes; a [`Response`] holds
/// random bytes and prints them in its Debug, so it is never formatted.
pub trait Nsm: Send + 'static {
    /// Answers one request.
    ///
    /// # Errors
    /// If the device does not take the request, or gives what is no answer.
    fn process(&mut self, request: Request) -> Result<Response, NsmError>;
}

/// The device could not be opened.
#[derive(Debug, Error)]
#[error("the Nitro Secure Module {DEVICE_PATH} cannot be opened: {0}; {advice}", advice = advice(.0))]
pub struct NsmUnavailable(#[source] io::Error);

/// The Nitro Secure Module of the enclave this process runs in.
#[derive(Debug)]
pub struct NsmDevice {
    file: File,
    buffer: ResponseBuffer,
}

impl NsmDevice {
    /// Whether this machine has the device at all.
    pub fn is_present() -> bool {
        Path::new(DEVICE_PATH).exists()
    }

    /// Opens the device.
    ///
    /// # Errors
    /// If there is none, or it may not be opened.
    pub fn open() -> Result<Self, NsmUnavailable> {
        let file = OpenOptions::new().read(true).write(true).open(DEVICE_PATH);
        file.map(|file| Self { file, buffer: ResponseBuffer::new() }).map_err(NsmUnavailable)
    }
}

impl Nsm for NsmDevice {
    fn process(&mut self, request: Request) -> Result<Response, NsmError> {
        let Self { file, buffer } = self;
        exchange(&request, buffer, |request, response| ioctl::process(file, request, response))
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as a user who may read and write it",
        _ => {
            "run this program inside a Nitro Enclave (nitro-cli run-enclave), or on ordinary \
             hardware run enclave-simulator instead"
        }
    }
}
