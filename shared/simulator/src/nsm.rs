//! A simulated Nitro Secure Module: the whole command set, over the CBOR that the driver carries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha384};
use zeroize::Zeroize;

use super::call_counter::CallCounter;
use super::document_spec::default_pcrs;
use super::fault_injection::{Fault, FaultInjection, FaultState, Readiness};
use super::simulated_pki::{DocumentRequest, SimulatedPki};
use attestation::crypto;
use attestation::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue};
use nsm_device::{Digest, ErrorCode, Nsm, NsmError, RANDOM_BLOCK_LENGTH, Request, Response};

/// The driver's buffers, in bytes.
const MAX_REQUEST_LENGTH: usize = 4096;
const MAX_RESPONSE_LENGTH: usize = 12_288;
/// What fits each field of an attestation request, in bytes.
const MAX_FIELD_LENGTH: usize = 1024;
/// Registers that are locked when an enclave boots.
const LOCKED_AT_BOOT: usize = 16;

/// How long the driver waits for the hypervisor before it gives up (`NSM_DEFAULT_TIMEOUT_MSECS` of Linux's
/// nsm.c).
const DRIVER_TIMEOUT: Duration = Duration::from_secs(120);

/// A CBOR break where an item should begin.
const BREAK: u8 = 0xff;

#[derive(Clone, Copy, Debug)]
struct Register {
    value: PcrValue,
    locked: bool,
}

/// The module of one simulated enclave.
#[derive(Debug)]
pub struct SimulatedNsm {
    pki: Arc<SimulatedPki>,
    registers: [Register; MAX_PCRS],
    fault_state: FaultState,
    random_calls: CallCounter,
}

impl SimulatedNsm {
    /// A freshly booted enclave in `world`, whose module works well.
    pub fn new(pki: Arc<SimulatedPki>) -> Self {
        Self::with_faults(FaultInjection::default(), pki)
    }

    /// A freshly booted enclave in `world`, whose module is slow or breaks.
    pub fn with_faults(faults: FaultInjection, pki: Arc<SimulatedPki>) -> Self {
        let mut registers = [Register { value: [0; PCR_LENGTH], locked: false }; MAX_PCRS];
        for register in registers.iter_mut().take(LOCKED_AT_BOOT) {
            register.locked = true;
        }
        for (index, value) in default_pcrs(PcrFamily::NitroEnclave) {
            if let Some(register) = registers.get_mut(usize::from(index)) {
                register.value = value;
            }
        }
        Self {
            pki,
            registers,
            fault_state: FaultState::new(faults),
            random_calls: CallCounter::default(),
        }
    }

    /// Its count of draws.
    pub fn random_calls(&self) -> CallCounter {
        self.random_calls.clone()
    }

    /// What it is told by once the service that it is for is ready.
    pub fn readiness(&self) -> Readiness {
        self.fault_state.readiness()
    }

    /// What the driver's ioctl does: CBOR in, CBOR out. The caller wipes the answer, which may hold
    /// random bytes.
    ///
    /// # Errors
    /// If the module hangs: the driver gives up after two minutes.
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

    /// The driver blocks its caller, and so does this.
    fn sleep_latency(&self) {
        thread::sleep(self.fault_state.latency());
    }

    /// What is answered to `GetRandom`, without the CBOR.
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

    /// The document holds the locked registers, as a genuine one does.
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
        // There is one for each request to the service, which is not to be measured by what the
        // simulation adds to it.
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
