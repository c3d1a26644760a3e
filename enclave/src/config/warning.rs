//! Warnings about valid configurations that are probably mistakes.

use std::fmt;

use attestation::time::UnixMillis;
use attestation::tls::not_after;

use crate::key_store::{KeyStoreKind, KeyStoreSettings, Pin};
use crate::policy::{Plaintext, RecipientPolicy};
use crate::tls::TlsSettings;

/// Time from the first warning until a provided certificate expires, in seconds. The service does not renew provided
/// certificates.
const CERTIFICATE_EXPIRY_NOTICE: u64 = 30 * 24 * 60 * 60;

/// A warning that is logged at start-up. Entries of lists are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigWarning {
    /// A principal without policies.
    NoPolicies {
        /// The number of the principal's first credential.
        number: usize,
        /// The ARN of the principal.
        arn: String,
    },
    /// A credential with an expiry time. The warning applies once the credential has expired.
    CredentialExpires {
        /// The number of the credential.
        number: usize,
        /// The expiry time.
        at: UnixMillis,
    },
    /// A provided certificate. The warning applies from [`CERTIFICATE_EXPIRY_NOTICE`] seconds before the certificate
    /// expires.
    CertificateExpires {
        /// The expiry time.
        at: UnixMillis,
    },
    /// A PIN in an environment variable. The environment of an enclave is part of its image.
    PinFromEnvironment {
        /// The number of the key store.
        number: usize,
    },
    /// Plaintext responses of an enclave without TLS.
    PlaintextWithoutTls,
    /// Plaintext responses of an enclave over TLS with a provided key.
    PlaintextWithProvidedKey,
}

impl ConfigWarning {
    /// Returns the warning about the expiry of a provided certificate.
    pub(super) fn for_tls(settings: &TlsSettings) -> Option<Self> {
        match settings {
            TlsSettings::Off | TlsSettings::Attested { .. } => None,
            TlsSettings::Provided(certified) => {
                let at = not_after(certified.cert.first()?)?;
                Some(Self::CertificateExpires { at })
            }
        }
    }

    /// Returns the warnings about key stores in production.
    pub(super) fn for_key_stores(stores: &[KeyStoreSettings]) -> impl Iterator<Item = Self> {
        let has_variable = |store: &KeyStoreSettings| match &store.kind {
            KeyStoreKind::Hsm(hsm) => matches!(hsm.pin, Pin::Environment(_)),
            KeyStoreKind::External(_) => false,
        };
        let stores = stores.iter().zip(1..);
        stores
            .filter(move |(store, _)| has_variable(store))
            .map(|(_, number)| Self::PinFromEnvironment { number })
    }

    /// Returns the warning about plaintext responses in production.
    pub(super) fn for_plaintext(recipient: &RecipientPolicy, tls: &TlsSettings) -> Option<Self> {
        match (tls, recipient.plaintext) {
            _ if recipient.require => None,
            (TlsSettings::Off, Plaintext::Always) => Some(Self::PlaintextWithoutTls),
            (TlsSettings::Provided(_), Plaintext::Always) => Some(Self::PlaintextWithProvidedKey),
            (_, Plaintext::Never | Plaintext::AttestedTls)
            | (TlsSettings::Attested { .. }, Plaintext::Always) => None,
        }
    }

    /// Logs the warning if it applies at `now`.
    pub(super) fn log_if_due(&self, now: UnixMillis) {
        if self.applies_at(now) {
            tracing::warn!("{self}");
        }
    }

    /// Returns whether the warning applies at `now`.
    pub(super) fn applies_at(&self, now: UnixMillis) -> bool {
        match self {
            Self::NoPolicies { .. }
            | Self::PinFromEnvironment { .. }
            | Self::PlaintextWithoutTls
            | Self::PlaintextWithProvidedKey => true,
            Self::CredentialExpires { at, .. } => *at <= now,
            Self::CertificateExpires { at } => *at <= now.plus_secs(CERTIFICATE_EXPIRY_NOTICE),
        }
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicies { number, arn } => write!(
                formatter,
                "[[credential]] number {number}: policies is empty, so every request of {arn} is \
                 denied"
            ),
            Self::CredentialExpires { number, at } => write!(
                formatter,
                "[[credential]] number {number}: the credential expired at {at}, so requests \
                 signed with it are rejected"
            ),
            Self::CertificateExpires { at } => write!(
                formatter,
                "[tls] certificate expires at {at}: deploy a configuration with a new one"
            ),
            Self::PinFromEnvironment { number } => write!(
                formatter,
                "[[key_store]] number {number}: the environment of an enclave is part of its image, \
                 in which the PIN of pin_env can be read: use pin_file instead"
            ),
            Self::PlaintextWithoutTls => formatter.write_str(
                "[recipient] plaintext is \"always\" and [tls] mode is \"off\", so the parent \
                 instance and the network can read the responses to requests without a Recipient: \
                 write plaintext = \"attested-tls\" or \"never\" to deny such requests",
            ),
            Self::PlaintextWithProvidedKey => formatter.write_str(
                "[recipient] plaintext is \"always\" and [tls] mode is \"provided\", so holders of \
                 the configuration, such as the parent instance, can read the responses to \
                 requests without a Recipient: write plaintext = \"never\" to deny such requests",
            ),
        }
    }
}
