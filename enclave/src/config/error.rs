//! Why the service does not start as configured.
//!
//! A secret may stand where something else belongs, so that no message repeats a string that is a
//! value in the configuration, but for two: the name of a file that is not secret, and an ARN that is a
//! principal's. Numbers and names of keys are repeated, and so is what policies say.

use std::io;
use std::path::PathBuf;

use attestation::AnchorError;
use thiserror::Error;

use super::egress::InvalidRoute;
use super::files::FilesError;
use super::key_store::InvalidKeyStore;
use super::tls::TlsError;
use crate::auth::DuplicateAccessKey;
use crate::iam::PolicyError;
use crate::policy::InvalidMeasurement;
use crate::principal::InvalidPrincipal;

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Production without a file.
    #[error(
        "there is no configuration: give --config FILE, with region under [auth] and a \
         [[credential]], or --config-from-parent PORT; on a laptop, run enclave-simulator, which \
         needs none"
    )]
    NoFile,
    /// Nobody could reach it.
    #[error(
        "there is no address to listen on: give --listen ENDPOINT, or ENCLAVE_LISTEN in the \
         environment, or listen under [server] in the configuration, such as \
         \"vsock:4294967295:5000\""
    )]
    NoListen,
    /// Lines that would go nowhere.
    #[error("log_to: {0}")]
    LogTo(&'static str),
    /// Files that make no configuration.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file that says what cannot be meant, or must not be.
    #[error("{}: {error}", path.display())]
    Meaning {
        /// Which.
        path: PathBuf,
        /// Why.
        error: MeaningError,
    },
}

/// Why what the configuration says cannot be meant, or must not be. Entries count from 1.
#[derive(Debug, Error)]
pub enum MeaningError {
    /// A file of anchors that cannot be read.
    #[error("[trust] anchors, entry {number}: {}: {error}", path.display())]
    ReadAnchors {
        /// Which.
        number: usize,
        /// Its file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file of anchors that holds none.
    #[error("[trust] anchors, entry {number}: {}: {error}", path.display())]
    Anchors {
        /// Which.
        number: usize,
        /// Its file.
        path: PathBuf,
        /// Why.
        error: AnchorError,
    },
    /// SigV4 without a region.
    #[error("[auth] region is missing: clients sign for one, so name it, such as \"eu-west-1\"")]
    NoRegion,
    /// A region that no client can sign for.
    #[error("[auth] region must be lower-case letters, digits and hyphens, such as \"eu-west-1\"")]
    Region,
    /// SigV4 with nobody who could sign.
    #[error(
        "[auth] mode is \"sigv4\" and there is no [[credential]], so nobody could call: add one, \
         with access_key_id, secret_access_key, principal and policies"
    )]
    NoCredential,
    /// Credentials that nobody would ask for.
    #[error(
        "there is a [[credential]], but [auth] mode is \"none\", so everybody would be answered: \
         write mode = \"sigv4\" under [auth], or remove it"
    )]
    UnusedCredential,
    /// Production that answers everybody in the clear.
    #[error(
        "[auth] mode is \"none\", so everybody is answered: in production that needs \
         require = true under [recipient], or mode = \"sigv4\""
    )]
    OpenToAll,
    /// TLS that is to be attested, and cannot be.
    #[error(
        "[recipient] plaintext is \"attested-tls\", but [tls] mode is \"provided\", whose key no \
         document attests: write plaintext = \"never\" to refuse requests without a Recipient, \
         plaintext = \"always\" to answer them, or [tls] mode = \"attested\""
    )]
    ProvidedTlsIsNotAttested,
    /// A credential that cannot be used. It is not named by its access key, which may be the
    /// secret, misplaced.
    #[error("[[credential]] number {number}: {reason}")]
    Credential {
        /// Which.
        number: usize,
        /// Why.
        reason: CredentialError,
    },
    /// Secrets whose measurement anybody could try to guess them from.
    #[error(
        "there is no file salt beside it, without which its secrets could be guessed from PCR17: make \
         one with head -c 32 /dev/urandom >salt, and keep it as secret as they are"
    )]
    NoSalt,
    /// Secrets or files that no key names.
    #[error(
        "[[credential]], [trust], [tls] or [[key_store]] is written as a list of values: write each \
         with its key, by which secrets are told from what is measured in PCR16"
    )]
    WithoutKeys,
    /// A key store that cannot be.
    #[error("[[key_store]] number {number}: {reason}")]
    KeyStore {
        /// Which.
        number: usize,
        /// Why.
        reason: InvalidKeyStore,
    },
    /// More than anybody has threads for.
    #[error("there are more than 100 [[key_store]]: remove some")]
    TooManyKeyStores,
    /// The system has no randomness.
    #[error("the system gives no random bytes to salt the measurement of its secrets with")]
    NoRandomness,
    /// An access key given twice.
    #[error("[[credential]] {0}")]
    DuplicateAccessKey(#[from] DuplicateAccessKey),
    /// TLS that cannot be.
    #[error("[tls] {0}")]
    Tls(#[from] TlsError),
    /// A way out of what is no enclave.
    #[error(
        "[[egress]] is for an enclave, which has no network of its own: remove it, and what it leads \
         to is reached directly"
    )]
    EgressOnLaptop,
    /// More than are opened.
    #[error("[[egress]] is there more than {most} times: at most that many routes are opened")]
    TooManyRoutes {
        /// How many are.
        most: usize,
    },
    /// A route that leads nowhere.
    #[error("[[egress]] number {number}: {reason}")]
    Egress {
        /// Which.
        number: usize,
        /// Why.
        reason: InvalidRoute,
    },
    /// How often to reseed, where each answer is reseeded for.
    #[error(
        "[entropy] reseed_requests and reseed_interval_ms need prediction_resistance = \"interval\": \
         without it every answer has entropy of its own"
    )]
    UnusedReseedInterval,
    /// Blocks that grow too old sooner than anybody wants.
    #[error(
        "[entropy] prefetch blocks every max_age_ms would keep an idle NSM busy: at most 100 a second, \
         so make prefetch smaller or max_age_ms longer"
    )]
    IdleRate,
    /// No clocksource that is accepted.
    #[error("[platform] clocksources must name at least one, such as \"kvm-clock\"")]
    NoClocksource,
    /// A simulated module that breaks in no way.
    #[cfg(feature = "simulator")]
    #[error("[simulator.nsm] after says when a fault begins: name the fault as well")]
    AfterWithoutFault,
    /// A simulated module, in production.
    #[cfg(feature = "simulator")]
    #[error("[simulator] is for enclave-simulator: remove it")]
    SimulatorInProduction,
    /// An entry that is no measurement, or that must not be asked for.
    #[error("[recipient] measurements, entry {number}: {reason}")]
    Measurements {
        /// Which.
        number: usize,
        /// Why.
        reason: InvalidMeasurement,
    },
}

/// Why a credential cannot be used.
#[derive(Debug, Error)]
pub enum CredentialError {
    /// No client sends such an identifier.
    #[error("access_key_id must be 1 to 128 letters, digits and underscores")]
    AccessKeyId,
    /// No client can send it.
    #[error(
        "session_token must be what a header can carry: visible ASCII, no space at either end, \
         less than 16384 bytes"
    )]
    SessionToken,
    /// A principal that is none.
    #[error("principal: {0}")]
    Principal(#[from] InvalidPrincipal),
    /// Another credential gives the same principal other policies.
    #[error(
        "number {other} gives {arn} other policies: policies belong to a principal, so list the \
         same files"
    )]
    OtherPolicies {
        /// Whom.
        arn: String,
        /// Which credential does.
        other: usize,
    },
    /// A policy's file that cannot be read.
    #[error("{}: {error}", path.display())]
    ReadPolicy {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A policy that is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}
