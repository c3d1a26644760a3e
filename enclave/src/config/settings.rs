//! What the service is to do: the file's words, checked and put together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{CacheSizes, DebugMode, MaxAge};

use super::egress;
use super::error::{CredentialError, MeaningError};
use super::file::{AuthMode, ConfigFile, CredentialTable, PlaintextWord, RecipientTable};
use super::files::Files;
use super::key_store::key_stores;
use super::posture::Posture;
use super::surprise::Surprise;
use crate::audit::UnauthenticatedLimits;
use crate::auth::{Authenticator, Credential, SigV4, is_access_key_id};
use crate::egress::Route;
use crate::entropy::EntropySettings;
use crate::http::Entrance;
use crate::iam;
use crate::key_store::KeyStoreSettings;
use crate::measurement::Measured;
use crate::platform::PlatformSettings;
use crate::policy::{Measurement, Plaintext, Policy, RecipientPolicy};
use crate::principal::Principal;
use crate::rate::Rate;
use crate::throttle::Throttle;
use crate::tls::TlsSettings;

/// What the service is to do.
#[derive(Debug)]
pub struct Settings {
    pub(crate) authenticator: Authenticator,
    pub(crate) policy: Arc<Policy>,
    pub(crate) throttle: Throttle,
    /// Limits on the audit records of unauthenticated callers.
    pub(crate) unauthenticated: UnauthenticatedLimits,
    /// The region, for the audit trail.
    pub(crate) region: Option<Arc<str>>,
    /// How much is remembered of verified documents.
    pub(crate) caches: CacheSizes,
    /// Threads that verify them.
    pub(crate) workers: NonZeroUsize,
    pub(crate) entropy: EntropySettings,
    pub(crate) platform: PlatformSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) key_stores: Vec<KeyStoreSettings>,
    /// Who may connect.
    pub(crate) entrance: Entrance,
    /// The ways out of an enclave.
    egress: Vec<Route>,
    /// Of the configuration, if there is one.
    pub(crate) measurement: Option<Measured>,
    pub(super) surprises: Vec<Surprise>,
    /// Of policies, where no request tells where it comes from.
    without_sources: Vec<String>,
}

impl Settings {
    /// The same, for who connects through `entrance`.
    #[must_use]
    pub fn through(self, entrance: Entrance) -> Self {
        Self { entrance, ..self }
    }

    /// Returns the egress routes.
    pub fn egress(&self) -> &[Route] {
        &self.egress
    }

    /// Says what is in effect at `now`, so that nobody has to guess it.
    pub(crate) fn announce(&self, now: UnixMillis) {
        match &self.authenticator {
            Authenticator::None => {
                tracing::warn!("[auth] mode is \"none\": whoever reaches this service is answered");
            }
            Authenticator::SigV4(sigv4) => {
                let (region, credentials) = (sigv4.region(), sigv4.number_of_credentials());
                tracing::info!(region, credentials, "[auth] mode is \"sigv4\"");
            }
        }
        self.tls.announce();
        self.policy.announce();
        self.entropy.announce();
        self.surprises.iter().for_each(|surprise| surprise.warn(now));
        if !self.entrance.proxy_protocol {
            self.without_sources.iter().for_each(|warning| tracing::warn!("{warning}"));
        }
    }
}

pub(super) fn build(
    file: ConfigFile,
    files: &Files,
    posture: Posture,
) -> Result<Settings, MeaningError> {
    #[cfg(feature = "simulator")]
    if file.simulator.is_some() && posture == Posture::Production {
        return Err(MeaningError::SimulatorInProduction);
    }
    let ConfigFile {
        auth,
        credential,
        recipient,
        throttle,
        audit,
        verification,
        entropy,
        platform,
        tls,
        key_store,
        egress,
        ..
    } = file;
    if let Some(region) = &auth.region {
        check_region(region)?;
    }
    let mode = auth.mode(posture);
    if mode == AuthMode::None && !credential.is_empty() {
        return Err(MeaningError::UnusedCredential);
    }
    if mode == AuthMode::None && posture == Posture::Production && !recipient.require {
        return Err(MeaningError::OpenToAll);
    }
    let tls = tls.settings(files)?;
    let has_tls = !matches!(tls, TlsSettings::Off);
    let mut principals = Principals::new(files, has_tls, throttle.per_principal);
    let authenticator = match mode {
        AuthMode::None => Authenticator::None,
        AuthMode::Sigv4 => sigv4(auth.region.as_deref(), credential, &mut principals)?,
    };
    let without_sources = principals.without_sources;
    let mut surprises = principals.surprises;
    surprises.extend(Surprise::of_tls(&tls));
    let key_stores = key_stores(key_store, files)?;
    let recipient = recipient_policy(recipient, &tls, posture)?;
    if posture == Posture::Production {
        surprises.extend(Surprise::of_plaintext(&recipient, &tls));
        surprises.extend(Surprise::of_key_stores(&key_stores));
    }
    Ok(Settings {
        authenticator,
        policy: Arc::new(Policy::new(recipient)),
        throttle: Throttle {
            anyone: Rate::per_second(throttle.per_principal),
            total: Rate::per_second(throttle.total),
        },
        unauthenticated: audit.limits(),
        region: auth.region.map(Arc::from),
        caches: verification.caches(),
        workers: verification.workers(),
        entropy: entropy.settings()?,
        platform: platform.settings()?,
        tls,
        key_stores,
        entrance: Entrance::default(),
        egress: egress::routes(egress, posture)?,
        measurement: None,
        surprises,
        without_sources,
    })
}

fn sigv4(
    region: Option<&str>,
    credentials: Vec<CredentialTable>,
    principals: &mut Principals<'_>,
) -> Result<Authenticator, MeaningError> {
    let region = region.ok_or(MeaningError::NoRegion)?;
    let credentials = principals.credentials(credentials)?;
    Ok(Authenticator::SigV4(SigV4::new(region, credentials)?))
}

fn check_region(region: &str) -> Result<(), MeaningError> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || !region.bytes().all(is_known) {
        return Err(MeaningError::Region);
    }
    Ok(())
}

fn recipient_policy(
    table: RecipientTable,
    tls: &TlsSettings,
    posture: Posture,
) -> Result<RecipientPolicy, MeaningError> {
    let tls_is_provided = matches!(tls, TlsSettings::Provided(_));
    let plaintext = match table.plaintext {
        Some(PlaintextWord(Plaintext::AttestedTls)) if tls_is_provided => {
            return Err(MeaningError::ProvidedTlsIsNotAttested);
        }
        Some(PlaintextWord(plaintext)) => plaintext,
        None => posture.default_plaintext(tls_is_provided),
    };
    let mut measurements = Vec::with_capacity(table.measurements.len());
    for (entry, number) in table.measurements.iter().zip(1..) {
        let entry = Measurement::parse_all(entry)
            .map_err(|reason| MeaningError::Measurements { number, reason })?;
        measurements.push(entry);
    }
    Ok(RecipientPolicy {
        require: table.require,
        plaintext,
        max_age: table.max_age.map_or_else(MaxAge::default, |age| age.0),
        debug: if table.allow_debug { DebugMode::Allow } else { DebugMode::Refuse },
        measurements,
    })
}

/// The principals of all credentials, each once: policies and rate belong to it, however many
/// credentials it has.
struct Principals<'a> {
    files: &'a Files,
    has_tls: bool,
    per_principal: u32,
    known: BTreeMap<String, KnownPrincipal>,
    surprises: Vec<Surprise>,
    without_sources: Vec<String>,
    /// Files of policies whose warnings were logged.
    warned: BTreeSet<PathBuf>,
}

/// What the first credential of a principal says of it.
struct KnownPrincipal {
    number: usize,
    principal: Arc<Principal>,
    policies: Vec<PathBuf>,
}

impl<'a> Principals<'a> {
    fn new(files: &'a Files, has_tls: bool, per_principal: u32) -> Self {
        Self {
            files,
            has_tls,
            per_principal,
            known: BTreeMap::new(),
            surprises: Vec::new(),
            without_sources: Vec::new(),
            warned: BTreeSet::new(),
        }
    }

    fn credentials(
        &mut self,
        tables: Vec<CredentialTable>,
    ) -> Result<Vec<Credential>, MeaningError> {
        if tables.is_empty() {
            return Err(MeaningError::NoCredential);
        }
        let credential = |(table, number)| {
            self.credential(table, number)
                .map_err(|reason| MeaningError::Credential { number, reason })
        };
        tables.into_iter().zip(1..).map(credential).collect()
    }

    fn credential(
        &mut self,
        table: CredentialTable,
        number: usize,
    ) -> Result<Credential, CredentialError> {
        if !is_access_key_id(&table.access_key_id) {
            return Err(CredentialError::AccessKeyId);
        }
        if table.session_token.as_ref().is_some_and(|token| !token.fits_a_header()) {
            return Err(CredentialError::SessionToken);
        }
        let expires = table.expires.map(|expires| expires.0);
        self.surprises.extend(expires.map(|at| Surprise::Expires { number, at }));
        Ok(Credential {
            access_key_id: table.access_key_id.into(),
            secret_access_key: table.secret_access_key,
            session_token: table.session_token,
            expires,
            principal: self.principal(table.principal, table.policies, number)?,
        })
    }

    fn principal(
        &mut self,
        arn: String,
        policies: Vec<PathBuf>,
        number: usize,
    ) -> Result<Arc<Principal>, CredentialError> {
        match self.known.get(&arn) {
            Some(known) if known.policies == policies => Ok(Arc::clone(&known.principal)),
            Some(known) => Err(CredentialError::OtherPolicies { arn, other: known.number }),
            None => {
                if policies.is_empty() {
                    self.surprises.push(Surprise::NoPolicies { number, arn: arn.clone() });
                }
                let principal = Principal::new(&arn)?
                    .with(self.policies(&policies)?, Rate::per_second(self.per_principal));
                let principal = Arc::new(principal);
                let known = KnownPrincipal { number, principal: Arc::clone(&principal), policies };
                self.known.insert(arn, known);
                Ok(principal)
            }
        }
    }

    fn policies(&mut self, paths: &[PathBuf]) -> Result<Vec<iam::Policy>, CredentialError> {
        let Self { files, has_tls, without_sources, warned, .. } = self;
        let policy = |name: &PathBuf| {
            let path = files.display(name);
            let json = match files.read(name) {
                Ok(json) => json,
                Err(error) => return Err(CredentialError::ReadPolicy { path, error }),
            };
            let policy = iam::Policy::parse(&path.display().to_string(), json)?;
            if warned.insert(path) {
                policy.warnings().for_each(|warning| tracing::warn!("{warning}"));
                without_sources.extend(policy.warnings_without_sources());
                if !*has_tls {
                    policy.warnings_without_tls().for_each(|warning| tracing::warn!("{warning}"));
                }
            }
            Ok(policy)
        };
        paths.iter().map(policy).collect()
    }
}
