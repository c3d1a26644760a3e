//! The request context, which the options `--context` describe.

use std::net::IpAddr;
use std::str::FromStr;

use attestation::time::UnixMillis;
use attestation::{MAX_PCRS, PcrFamily, PcrValue};
use enclave::clock::{Clock, SystemClock};
use enclave::iam::{ConditionKey, Context, Measurements, action_name};
use enclave::principal::Principal;
use kms_api::Operation;

use super::super::error::CommandError;
use super::super::value_parsers::Hex;

/// A condition key and its value, in the form `KEY=VALUE`.
#[derive(Clone, Debug)]
pub(super) struct ContextEntry {
    key: ConditionKey,
    value: ContextValue,
}

/// The value, parsed as the type of its condition key.
#[derive(Clone, Debug)]
enum ContextValue {
    Register(PcrFamily, u8, PcrValue),
    Address(IpAddr),
    Bool(bool),
    Time(UnixMillis),
    Text(String),
}

impl FromStr for ContextEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("expected KEY=VALUE, for example aws:CurrentTime=2026-02-03T10:12:02Z")?;
        let key = ConditionKey::parse(name).ok_or_else(|| {
            format!("unknown condition key {name:?}; supported keys are {}", ConditionKey::KNOWN)
        })?;
        Ok(Self { key, value: parse_value(key, value)? })
    }
}

fn parse_value(key: ConditionKey, value: &str) -> Result<ContextValue, String> {
    let (given, expected) = match key {
        ConditionKey::SourceIp => (value.parse().ok().map(ContextValue::Address), "an IP address"),
        ConditionKey::SecureTransport => {
            (value.parse().ok().map(ContextValue::Bool), "true or false")
        }
        ConditionKey::CurrentTime => {
            let time = UnixMillis::from_rfc3339(value);
            (time.map(ContextValue::Time), "a time such as 2026-02-03T10:12:02Z")
        }
        ConditionKey::PrincipalArn => {
            // As in the service, the ARN of a session is replaced by the ARN of its role.
            let seen = Principal::new(value).map(|known| known.condition_arn().to_owned());
            (Some(ContextValue::Text(seen.unwrap_or_else(|_| value.to_owned()))), "an ARN")
        }
        ConditionKey::ImageSha384 | ConditionKey::Pcr(..) => {
            let measured = value.parse().ok().and_then(|Hex(bytes)| bytes.try_into().ok());
            let given = key
                .register()
                .zip(measured)
                .map(|((family, index), measured)| ContextValue::Register(family, index, measured));
            (given, "48 bytes in hexadecimal (96 digits)")
        }
    };
    given.ok_or_else(|| format!("{key}: expected {expected}"))
}

/// Parses the policy name of an operation.
pub(super) fn parse_action(text: &str) -> Result<Operation, String> {
    let known = [Operation::GenerateRandom, Operation::DescribeCustomKeyStores];
    known
        .into_iter()
        .find(|operation| action_name(*operation).eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("expected {}", known.map(action_name).join(" or ")))
}

/// A request to evaluate. A value that no option sets has the service's default, or is the current time.
#[derive(Debug)]
pub(super) struct PolicyRequest {
    principal_arn: Option<String>,
    source_ip: Option<IpAddr>,
    secure_transport: Option<bool>,
    now: UnixMillis,
    registers: Option<Registers>,
}

/// PCR values from `--context`.
#[derive(Debug)]
pub(super) struct Registers {
    family: PcrFamily,
    values: [Option<PcrValue>; MAX_PCRS],
}

impl PolicyRequest {
    pub(super) fn from_entries(entries: &[ContextEntry]) -> Result<Self, CommandError> {
        let mut request = Self {
            principal_arn: None,
            source_ip: None,
            // The default is a request without TLS.
            secure_transport: Some(false),
            now: SystemClock.now(),
            registers: None,
        };
        for (position, ContextEntry { key, value }) in entries.iter().enumerate() {
            if entries.iter().take(position).any(|earlier| earlier.key == *key) {
                return Err(CommandError::Usage(format!("--context {key} is given twice")));
            }
            match value {
                ContextValue::Register(family, index, value) => {
                    request.set_register(*family, *index, *value)?
                }
                ContextValue::Address(ip) => request.source_ip = Some(*ip),
                ContextValue::Bool(is_secure) => request.secure_transport = Some(*is_secure),
                ContextValue::Time(now) => request.now = *now,
                ContextValue::Text(arn) => request.principal_arn = Some(arn.clone()),
            }
        }
        Ok(request)
    }

    fn set_register(
        &mut self,
        family: PcrFamily,
        index: u8,
        value: PcrValue,
    ) -> Result<(), CommandError> {
        let none = || Registers { family, values: [None; MAX_PCRS] };
        let registers = self.registers.get_or_insert_with(none);
        if registers.family != family {
            let reason = "--context has PCRs of both an enclave and a NitroTPM: a document \
                          contains one kind only";
            return Err(CommandError::Usage(reason.to_owned()));
        }
        // ImageSha384 is another name of PCR0.
        match registers.values.get_mut(usize::from(index)) {
            Some(register @ None) => *register = Some(value),
            _ => return Err(CommandError::Usage(format!("--context gives PCR{index} twice"))),
        }
        Ok(())
    }

    pub(super) fn registers(&self) -> Option<&Registers> {
        self.registers.as_ref()
    }

    pub(super) fn context<'a>(
        &'a self,
        action: Operation,
        measurements: Option<&'a dyn Measurements>,
    ) -> Context<'a> {
        Context {
            action,
            principal_arn: self.principal_arn.as_deref(),
            now: self.now,
            secure_transport: self.secure_transport,
            source_ip: self.source_ip,
            measurements,
        }
    }
}

impl Measurements for Registers {
    fn family(&self) -> PcrFamily {
        self.family
    }

    fn value(&self, index: usize) -> Option<&PcrValue> {
        self.values.get(index)?.as_ref()
    }
}
