//! The Nitro Secure Module (NSM): the device `/dev/nsm` inside an enclave.
//!
//! Each ioctl transmits one CBOR request and its response.

mod exchange;
mod ioctl;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

pub use aws_nitro_enclaves_nsm_api::api::{Digest, ErrorCode, Request, Response};
use thiserror::Error;

pub use self::exchange::NsmError;
use self::exchange::{ResponseBuffer, exchange};

/// The path of the device of the kernel's `nsm` driver.
pub const DEVICE_PATH: &str = "/dev/nsm";

/// Number of random bytes in one response to `GetRandom`. Fewer bytes are a fault.
pub const RANDOM_BLOCK_LENGTH: usize = 256;

/// A Nitro Secure Module.
///
/// Calls block until the hypervisor responds. A [`Response`] may contain random bytes, and its Debug output
/// prints them, so a response must never be formatted.
pub trait Nsm: Send + 'static {
    /// Sends one request and returns its response.
    ///
    /// # Errors
    /// If the system call fails, the request is too long, or the response cannot be decoded.
    fn process(&mut self, request: Request) -> Result<Response, NsmError>;
}

/// The error if the device cannot be opened.
#[derive(Debug, Error)]
#[error("the Nitro Secure Module {DEVICE_PATH} cannot be opened: {0}; {advice}", advice = advice(.0))]
pub struct NsmUnavailable(#[source] io::Error);

/// The Nitro Secure Module of the enclave in which this process runs.
#[derive(Debug)]
pub struct NsmDevice {
    file: File,
    buffer: ResponseBuffer,
}

impl NsmDevice {
    /// Returns whether this machine has the device.
    pub fn is_present() -> bool {
        Path::new(DEVICE_PATH).exists()
    }

    /// Opens the device.
    ///
    /// # Errors
    /// If the device cannot be opened, for example because it does not exist or the process lacks permission.
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
