//! A simulated Nitro Secure Module with the complete command set, over the CBOR of the driver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha384};
use zeroize::Zeroize;

use super::call_counter::CallCounter;
use super::document_spec::{default_pcrs, image_pcrs};
use super::fault_injection::{Fault, FaultInjection, FaultState, Readiness};
use super::simulated_pki::{DocumentRequest, SimulatedPki};
use attestation::crypto;
use attestation::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue};
use nsm_device::{Digest, ErrorCode, Nsm, NsmError, RANDOM_BLOCK_LENGTH, Request, Response};

/// Maximum length of a request, in bytes.
const MAX_REQUEST_LENGTH: usize = 4096;
/// Maximum length of a response, in bytes.
const MAX_RESPONSE_LENGTH: usize = 12_288;
/// Maximum length of each field of an attestation request, in bytes.
const MAX_FIELD_LENGTH: usize = 1024;
/// Number of registers that are locked when an enclave boots.
const LOCKED_AT_BOOT: usize = 16;

/// Time for which the driver waits for the hypervisor (`NSM_DEFAULT_TIMEOUT_MSECS` of Linux's nsm.c).
const DRIVER_TIMEOUT: Duration = Duration::from_secs(120);

/// The CBOR break code, which is not a data item.
const BREAK: u8 = 0xff;

#[derive(Clone, Copy, Debug)]
struct Register {
    value: PcrValue,
    locked: bool,
}

/// The NSM of one simulated enclave.
#[derive(Debug)]
pub struct SimulatedNsm {
    pki: Arc<SimulatedPki>,
    registers: [Register; MAX_PCRS],
    fault_state: FaultState,
    random_calls: CallCounter,
}

impl SimulatedNsm {
    /// Creates the NSM of a freshly booted enclave, without faults. `pki` signs its documents.
    pub fn new(pki: Arc<SimulatedPki>) -> Self {
        Self::with_faults(FaultInjection::default(), pki)
    }

    /// Creates the NSM of a freshly booted enclave, with latency or faults. `pki` signs its documents.
    pub fn with_faults(faults: FaultInjection, pki: Arc<SimulatedPki>) -> Self {
        let mut registers = [Register { value: [0; PCR_LENGTH], locked: false }; MAX_PCRS];
        for register in registers.iter_mut().take(LOCKED_AT_BOOT) {
            register.locked = true;
        }
        let mut this = Self {
            pki,
            registers,
            fault_state: FaultState::new(faults),
            random_calls: CallCounter::default(),
        };
        this.measure(default_pcrs(PcrFamily::NitroEnclave));
        this
    }

    /// Replaces the image of the enclave by the image `name`, see [`image_pcrs`].
    #[must_use]
    pub fn with_image(mut self, name: &str) -> Self {
        self.measure(image_pcrs(name));
        self
    }

    fn measure(&mut self, values: impl IntoIterator<Item = (u8, PcrValue)>) {
        for (index, value) in values {
            if let Some(register) = self.registers.get_mut(usize::from(index)) {
                register.value = value;
            }
        }
    }

    /// Returns the counter of `GetRandom` calls.
    pub fn random_calls(&self) -> CallCounter {
        self.random_calls.clone()
    }

    /// Returns the flag that the service sets once it is ready.
    pub fn readiness(&self) -> Readiness {
        self.fault_state.readiness()
    }

    /// Processes a CBOR request and returns the CBOR response, like the driver's ioctl.
    ///
    /// The response may contain random bytes, so the caller wipes it.
    ///
    /// # Errors
    /// If the injected fault is a hang: the driver fails after two minutes.
    pub fn ioctl(&mut self, request: &[u8]) -> Result<Vec<u8>, NsmError> {
        let mut response = match serde_cbor::from_slice(request) {
            Ok(Request::GetRandom) if request.len() <= MAX_REQUEST_LENGTH => {
                match self.get_random() {
                    Err(NsmError::Malformed) => return Ok(vec![BREAK]),
                    response => Ok(response?),
                }
            }
            decoded => {
                self.sleep_latency();
                match decoded {
                    Ok(_) if request.len() > MAX_REQUEST_LENGTH => Err(ErrorCode::InputTooLarge),
                    Ok(request) => self.respond(request),
                    Err(_) => Err(ErrorCode::InvalidOperation),
                }
            }
        }
        .unwrap_or_else(Response::Error);
        let encoded = serde_cbor::to_vec(&response).unwrap_or_default();
        if let Response::GetRandom { random } = &mut response {
            random.zeroize();
        }
        if encoded.len() > MAX_RESPONSE_LENGTH {
            let error = Response::Error(ErrorCode::BufferTooSmall);
            return Ok(serde_cbor::to_vec(&error).unwrap_or_default());
        }
        Ok(encoded)
    }

    /// Sleeps for the injected latency, and blocks the caller meanwhile, as the driver does.
    fn sleep_latency(&self) {
        thread::sleep(self.fault_state.latency());
    }

    /// Returns the response to `GetRandom`, without CBOR encoding.
    fn get_random(&mut self) -> Result<Response, NsmError> {
        self.sleep_latency();
        self.random_calls.increment();
        match self.fault_state.next_fault() {
            Some(Fault::Hang) => {
                thread::sleep(DRIVER_TIMEOUT);
                Err(NsmError::Ioctl { errno: libc::ETIMEDOUT })
            }
            Some(Fault::Malformed) => Err(NsmError::Malformed),
            fault => Ok(self.random_block(fault).unwrap_or_else(Response::Error)),
        }
    }

    fn random_block(&mut self, fault: Option<Fault>) -> Result<Response, ErrorCode> {
        let mut random = vec![0; RANDOM_BLOCK_LENGTH];
        crypto::fill_random(&mut random).map_err(|_| ErrorCode::InternalError)?;
        self.fault_state.apply(fault, &mut random)?;
        Ok(Response::GetRandom { random })
    }

    fn respond(&mut self, request: Request) -> Result<Response, ErrorCode> {
        match request {
            Request::Attestation { user_data, nonce, public_key } => {
                self.attest(user_data, nonce, public_key)
            }
            Request::DescribeNSM => Ok(self.describe()),
            Request::DescribePCR { index } => {
                let register = self.register(index)?;
                Ok(Response::DescribePCR { lock: register.locked, data: register.value.to_vec() })
            }
            Request::ExtendPCR { index, data } => {
                let register = self.unlocked(index)?;
                register.value =
                    Sha384::new().chain_update(register.value).chain_update(data).finalize().into();
                Ok(Response::ExtendPCR { data: register.value.to_vec() })
            }
            Request::LockPCR { index } => {
                self.unlocked(index)?.locked = true;
                Ok(Response::LockPCR)
            }
            Request::LockPCRs { range } => {
                let registers = self.registers.get_mut(..usize::from(range));
                for register in registers.ok_or(ErrorCode::InvalidIndex)? {
                    register.locked = true;
                }
                Ok(Response::LockPCRs)
            }
            _ => Err(ErrorCode::InvalidOperation),
        }
    }

    fn register(&mut self, index: u16) -> Result<&mut Register, ErrorCode> {
        self.registers.get_mut(usize::from(index)).ok_or(ErrorCode::InvalidIndex)
    }

    fn unlocked(&mut self, index: u16) -> Result<&mut Register, ErrorCode> {
        let register = self.register(index)?;
        if register.locked { Err(ErrorCode::ReadOnlyIndex) } else { Ok(register) }
    }

    fn locked_registers(&self) -> impl Iterator<Item = (u16, &Register)> {
        (0..).zip(&self.registers).filter(|(_, register)| register.locked)
    }

    fn describe(&self) -> Response {
        Response::DescribeNSM {
            version_major: 1,
            version_minor: 0,
            version_patch: 0,
            module_id: self.pki.module_id(PcrFamily::NitroEnclave).to_owned(),
            max_pcrs: u16::try_from(MAX_PCRS).unwrap_or(u16::MAX),
            locked_pcrs: self.locked_registers().map(|(index, _)| index).collect::<BTreeSet<_>>(),
            digest: Digest::SHA384,
        }
    }

    /// Returns a document that contains the locked registers, like a genuine document.
    fn attest(
        &self,
        user_data: Option<ByteBuf>,
        nonce: Option<ByteBuf>,
        public_key: Option<ByteBuf>,
    ) -> Result<Response, ErrorCode> {
        let fields = [&user_data, &nonce, &public_key];
        if fields.into_iter().flatten().any(|field| field.len() > MAX_FIELD_LENGTH) {
            return Err(ErrorCode::InputTooLarge);
        }
        let pcrs: BTreeMap<u8, PcrValue> = self
            .locked_registers()
            .filter_map(|(index, register)| Some((u8::try_from(index).ok()?, register.value)))
            .collect();
        let request = DocumentRequest {
            family: PcrFamily::NitroEnclave,
            pcrs,
            public_key: public_key.map(ByteBuf::into_vec),
            user_data: user_data.map(ByteBuf::into_vec),
            nonce: nonce.map(ByteBuf::into_vec),
            age_seconds: 0,
        };
        let document = self.pki.document(request).map_err(|_| ErrorCode::InternalError)?;
        Ok(Response::Attestation { document })
    }
}

impl Nsm for SimulatedNsm {
    fn process(&mut self, request: Request) -> Result<Response, NsmError> {
        // The service sends one GetRandom per request. Without the CBOR of the simulation, benchmarks
        // measure the service itself.
        if matches!(request, Request::GetRandom) {
            return self.get_random();
        }
        let request = serde_cbor::to_vec(&request).map_err(|_| NsmError::RequestTooLong)?;
        let mut response = self.ioctl(&request)?;
        let decoded = serde_cbor::from_slice(&response);
        response.zeroize();
        decoded.map_err(|_| NsmError::Malformed)
    }
}

#[cfg(test)]
#[path = "nsm_tests.rs"]
mod tests;
