//! Condition keys, and their values in requests.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use attestation::time::UnixMillis;
use attestation::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue};

use super::context::Context;

/// A condition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKey {
    /// `kms:RecipientAttestation:ImageSha384`, which is another name for PCR0 of an enclave.
    ImageSha384,
    /// `kms:RecipientAttestation:PCR<n>` or `kms:RecipientAttestation:NitroTPMPCR<n>`.
    Pcr(PcrFamily, u8),
    /// `aws:SourceIp`
    SourceIp,
    /// `aws:SecureTransport`
    SecureTransport,
    /// `aws:CurrentTime`
    CurrentTime,
    /// `aws:PrincipalArn`
    PrincipalArn,
}

/// The value of a key in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContextValue<'a> {
    /// The value of a register.
    Measurement(&'a PcrValue),
    /// An address. IPv4-mapped IPv6 addresses are converted to IPv4.
    Address(IpAddr),
    /// A boolean.
    Bool(bool),
    /// A time in whole seconds, as in AWS.
    Time(UnixMillis),
    /// Other text.
    Text(&'a str),
}

const RECIPIENT: &str = "kms:RecipientAttestation:";
const ENCLAVE_PCR: &str = "PCR";
const NITRO_TPM_PCR: &str = "NitroTPMPCR";
const IMAGE_SHA384: &str = "ImageSha384";

impl ConditionKey {
    /// The keys that are not registers.
    const OTHERS: [Self; 4] =
        [Self::SourceIp, Self::SecureTransport, Self::CurrentTime, Self::PrincipalArn];

    /// The keys that [`parse`](Self::parse) accepts, for messages.
    pub const KNOWN: &'static str = "kms:RecipientAttestation:ImageSha384, \
        kms:RecipientAttestation:PCR<0 to 31>, kms:RecipientAttestation:NitroTPMPCR<0 to 31>, \
        aws:SourceIp, aws:SecureTransport, aws:CurrentTime, aws:PrincipalArn";

    /// Parses the name of a key, ignoring case.
    pub fn parse(name: &str) -> Option<Self> {
        let Some(register) = strip_prefix(name, RECIPIENT) else {
            return Self::OTHERS.into_iter().find(|key| key.to_string().eq_ignore_ascii_case(name));
        };
        if register.eq_ignore_ascii_case(IMAGE_SHA384) {
            return Some(Self::ImageSha384);
        }
        let (family, index) = match strip_prefix(register, NITRO_TPM_PCR) {
            Some(index) => (PcrFamily::NitroTpm, index),
            None => (PcrFamily::NitroEnclave, strip_prefix(register, ENCLAVE_PCR)?),
        };
        // The comparison of the texts rejects a sign and leading zeros.
        let known: u8 = index.parse().ok()?;
        (usize::from(known) < MAX_PCRS && known.to_string() == index)
            .then_some(Self::Pcr(family, known))
    }

    /// Returns the register that the key names, if any.
    pub const fn register(self) -> Option<(PcrFamily, u8)> {
        match self {
            Self::ImageSha384 => Some((PcrFamily::NitroEnclave, 0)),
            Self::Pcr(family, index) => Some((family, index)),
            Self::SourceIp | Self::SecureTransport | Self::CurrentTime | Self::PrincipalArn => None,
        }
    }

    /// Returns whether a value of all zeros in this register means that nothing was measured. A policy that
    /// allows such a value would allow unknown code.
    ///
    /// Every enclave in debug mode has registers of zeros:
    /// <https://docs.aws.amazon.com/enclaves/latest/user/set-up-attestation.html>.
    ///
    /// In a TPM, the firmware extends PCRs 0 to 7 before it starts other code, at least with a separator. PCRs 8
    /// and higher belong to the operating system, and are zero until the operating system extends them. Zeros in
    /// these PCRs are valid. For example, AWS documents policies for instances without Secure Boot that require
    /// zeros in PCR12, the measurement of the kernel command line.
    ///
    /// <https://trustedcomputinggroup.org/resource/pc-client-specific-platform-firmware-profile-specification/>,
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/prepare-attestation-service.html>
    pub const fn is_unmeasured_if_zero(self) -> bool {
        const LAST_OF_FIRMWARE: u8 = 7;
        match self.register() {
            Some((PcrFamily::NitroEnclave, _)) => true,
            Some((PcrFamily::NitroTpm, index)) => index <= LAST_OF_FIRMWARE,
            None => false,
        }
    }

    /// Returns the value of the key in the request.
    pub(super) fn value<'a>(self, context: &Context<'a>) -> Option<ContextValue<'a>> {
        match self {
            Self::ImageSha384 => Self::Pcr(PcrFamily::NitroEnclave, 0).value(context),
            Self::Pcr(family, index) => context
                .measurements
                .filter(|measurements| measurements.family() == family)
                .and_then(|measurements| measurements.value(index.into()))
                .map(ContextValue::Measurement),
            Self::SourceIp => context.source_ip.map(|ip| ContextValue::Address(ip.to_canonical())),
            Self::SecureTransport => context.secure_transport.map(ContextValue::Bool),
            Self::CurrentTime => {
                Some(ContextValue::Time(UnixMillis::from_secs(context.now.as_secs())))
            }
            Self::PrincipalArn => context.principal_arn.map(ContextValue::Text),
        }
    }
}

impl Display for ConditionKey {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImageSha384 => write!(out, "{RECIPIENT}{IMAGE_SHA384}"),
            Self::Pcr(PcrFamily::NitroEnclave, index) => {
                write!(out, "{RECIPIENT}{ENCLAVE_PCR}{index}")
            }
            Self::Pcr(PcrFamily::NitroTpm, index) => {
                write!(out, "{RECIPIENT}{NITRO_TPM_PCR}{index}")
            }
            Self::SourceIp => out.write_str("aws:SourceIp"),
            Self::SecureTransport => out.write_str("aws:SecureTransport"),
            Self::CurrentTime => out.write_str("aws:CurrentTime"),
            Self::PrincipalArn => out.write_str("aws:PrincipalArn"),
        }
    }
}

impl ContextValue<'_> {
    /// Calls `with` with the text that String operators compare. The text of a measurement is lower-case hexadecimal.
    pub(super) fn with_text<R>(self, with: impl FnOnce(&str) -> R) -> R {
        match self {
            // The text is on the stack, because nearly every request compares a measurement.
            Self::Measurement(value) => with(const_hex::Buffer::<PCR_LENGTH>::new().format(value)),
            Self::Bool(value) => with(if value { "true" } else { "false" }),
            Self::Text(text) => with(text),
            Self::Address(ip) => with(&ip.to_string()),
            Self::Time(time) => with(&time.to_string()),
        }
    }
}

impl Display for ContextValue<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.with_text(|text| out.write_str(text))
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_keys_in_any_case() {
        for name in [
            "kms:RecipientAttestation:ImageSha384",
            "kms:RecipientAttestation:PCR0",
            "kms:RecipientAttestation:PCR31",
            "kms:RecipientAttestation:NitroTPMPCR10",
            "aws:SourceIp",
            "aws:SecureTransport",
            "aws:CurrentTime",
            "aws:PrincipalArn",
        ] {
            for spelling in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(ConditionKey::parse(&spelling).unwrap().to_string(), name);
            }
        }
    }

    #[test]
    fn zeros_mean_unmeasured_except_in_tpm_pcrs_from_8() {
        for index in 0..32 {
            assert!(
                ConditionKey::Pcr(PcrFamily::NitroEnclave, index).is_unmeasured_if_zero(),
                "{index}"
            );
            let of_tpm = ConditionKey::Pcr(PcrFamily::NitroTpm, index);
            assert_eq!(of_tpm.is_unmeasured_if_zero(), index < 8, "{index}");
        }
        assert!(ConditionKey::ImageSha384.is_unmeasured_if_zero());
        assert!(!ConditionKey::PrincipalArn.is_unmeasured_if_zero());
    }

    #[test]
    fn rejects_unknown_keys_and_register_spellings() {
        for name in [
            "",
            "aws:SourceIP ",
            "aws:EpochTime",
            "kms:RecipientAttestation:",
            "kms:RecipientAttestation:PCR",
            "kms:RecipientAttestation:PCR00",
            "kms:RecipientAttestation:PCR01",
            "kms:RecipientAttestation:PCR+1",
            "kms:RecipientAttestation:PCR-1",
            "kms:RecipientAttestation:PCR32",
            "kms:RecipientAttestation:PCR256",
            "kms:RecipientAttestation:NitroTPMPCR32",
            "kms:RecipientAttestation:TPMPCR1",
            "kms:RecipientAttestation:PCR1 ",
            "RecipientAttestation:PCR1",
            "kms:RecipientAttestation\u{212a}PCR1",
        ] {
            assert_eq!(ConditionKey::parse(name), None, "{name}");
        }
    }
}
