//! What a configuration can mean, and whoever wrote it may not have meant.

use std::fmt;

use attestation::time::UnixMillis;
use attestation::tls::not_after;

use crate::key_store::{KeyStoreKind, KeyStoreSettings, Pin};
use crate::policy::{Plaintext, RecipientPolicy};
use crate::tls::TlsSettings;

/// Seconds before a certificate ends from which that is said: nothing here replaces it.
const NOTICE: u64 = 30 * 24 * 60 * 60;

/// Something to be said at start; credentials count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Surprise {
    /// A principal without policies.
    NoPolicies {
        /// Its first credential.
        number: usize,
        /// Whom.
        arn: String,
    },
    /// A credential that expires; no surprise until it has.
    Expires {
        /// Which.
        number: usize,
        /// When.
        at: UnixMillis,
    },
    /// A server's certificate that ends; no surprise until it soon does.
    CertificateEnds {
        /// When.
        at: UnixMillis,
    },
    /// A PIN that an enclave can have from its image alone.
    PinEnvironment {
        /// Which key store's.
        number: usize,
    },
    /// Answers in the clear, from an enclave.
    Plaintext,
    /// The same, over TLS whose key others may have.
    PlaintextUnderProvidedKey,
}

impl Surprise {
    /// What there is of these settings.
    pub(super) fn of_tls(settings: &TlsSettings) -> Option<Self> {
        match settings {
            TlsSettings::Off | TlsSettings::Attested { .. } => None,
            TlsSettings::Provided(certified) => {
                let at = not_after(certified.cert.first()?)?;
                Some(Self::CertificateEnds { at })
            }
        }
    }

    /// What there is of these key stores in an enclave.
    pub(super) fn of_key_stores(stores: &[KeyStoreSettings]) -> impl Iterator<Item = Self> {
        let has_variable = |store: &KeyStoreSettings| match &store.kind {
            KeyStoreKind::Hsm(hsm) => matches!(hsm.pin, Pin::Environment(_)),
            KeyStoreKind::External(_) => false,
        };
        let stores = stores.iter().zip(1..);
        stores
            .filter(move |(store, _)| has_variable(store))
            .map(|(_, number)| Self::PinEnvironment { number })
    }

    /// What there is of these in an enclave.
    pub(super) fn of_plaintext(recipient: &RecipientPolicy, tls: &TlsSettings) -> Option<Self> {
        match (tls, recipient.plaintext) {
            _ if recipient.require => None,
            (TlsSettings::Off, Plaintext::Always) => Some(Self::Plaintext),
            (TlsSettings::Provided(_), Plaintext::Always) => Some(Self::PlaintextUnderProvidedKey),
            (_, Plaintext::Never | Plaintext::AttestedTls)
            | (TlsSettings::Attested { .. }, Plaintext::Always) => None,
        }
    }

    /// Says so, if it is one at `now`.
    pub(super) fn warn(&self, now: UnixMillis) {
        if self.is_at(now) {
            tracing::warn!("{self}");
        }
    }

    /// Whether it is one at `now`.
    pub(super) fn is_at(&self, now: UnixMillis) -> bool {
        match self {
            Self::NoPolicies { .. }
            | Self::PinEnvironment { .. }
            | Self::Plaintext
            | Self::PlaintextUnderProvidedKey => true,
            Self::Expires { at, .. } => *at <= now,
            Self::CertificateEnds { at } => *at <= now.plus_secs(NOTICE),
        }
    }
}

impl fmt::Display for Surprise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicies { number, arn } => write!(
                formatter,
                "[[credential]] number {number}: policies is empty, so {arn} may do nothing"
            ),
            Self::Expires { number, at } => write!(
                formatter,
                "[[credential]] number {number}: it expired at {at}, so nobody can call with it"
            ),
            Self::CertificateEnds { at } => write!(
                formatter,
                "[tls] certificate: clients refuse it after {at}: replace it, with the configuration"
            ),
            Self::PinEnvironment { number } => write!(
                formatter,
                "[[key_store]] number {number}: pin_env: an enclave has no environment but that of its \
                 image, which whoever has the image can read: write pin_file instead"
            ),
            Self::Plaintext => formatter.write_str(
                "[recipient] plaintext is \"always\" and [tls] mode is \"off\": the parent instance and \
                 the network can read what requests without a Recipient are answered: write plaintext \
                 = \"attested-tls\" or \"never\" to refuse them",
            ),
            Self::PlaintextUnderProvidedKey => formatter.write_str(
                "[recipient] plaintext is \"always\" and [tls] mode is \"provided\": whoever holds the \
                 configuration, such as the parent instance, can read what requests without a Recipient \
                 are answered: write plaintext = \"never\" to refuse them",
            ),
        }
    }
}
