//! One request to the KMS API, from what HTTP received to its answer.

use std::sync::Arc;

use attestation::Trust;
#[cfg(feature = "simulator")]
use attestation::UnverifiedDocument;
use attestation::time::UnixMillis;
use kms_api::Operation;
#[cfg(feature = "simulator")]
use kms_api::{KmsError, NumberOfBytes};
use zeroize::Zeroizing;

use super::error::Refusal;
use super::generator::Generator;
use super::metrics::ApiMetrics;
use super::{describe_custom_key_stores, generate_random, head};
use crate::auth::Authenticator;
use crate::clock::{Clock, ClockFault, TrustedClock};
use crate::crypto_pool::CryptoPool;
use crate::http::Answer;
use crate::key_store::KeyStoreMetrics;
use crate::policy::Asker;
#[cfg(feature = "simulator")]
use crate::policy::AttestedRequest;
#[cfg(feature = "simulator")]
use crate::request::Channel;
use crate::request::Received;
use crate::request_log::{Reason, RequestLog, RequestLogger};
use crate::throttle::Throttle;

/// The KMS API: all that its operations need.
#[derive(Debug)]
pub(crate) struct Api<T: Trust, C: Clock> {
    pub(crate) authenticator: Authenticator,
    pub(crate) throttle: Throttle,
    pub(crate) generator: Arc<Generator<T>>,
    pub(crate) crypto_pool: CryptoPool,
    pub(crate) clock: Arc<TrustedClock<C>>,
    pub(crate) logger: RequestLogger,
    pub(crate) metrics: ApiMetrics,
    pub(crate) key_store_metrics: Arc<KeyStoreMetrics>,
}

impl<T: Trust, C: Clock> Api<T, C> {
    /// Answers an awsJson1_1 request, and logs it.
    pub(crate) async fn answer(&self, request: Received<'_>) -> Answer {
        // Before the time is read by which signatures, credentials and documents are judged.
        let confirmed = self.clock_confirmed().await;
        let mut log = self.logger.begin(request, self.now());
        let result = match confirmed {
            Ok(()) => self.handle(request, &mut log).await,
            Err(fault) => Err(fault.into()),
        };
        match result {
            Ok(body) => {
                log.grant();
                Answer::kms(body)
            }
            Err(refusal) => self.refuse(&refusal, request, log),
        }
    }

    async fn handle(
        &self,
        request: Received<'_>,
        log: &mut RequestLog<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let Received { channel, source: source_ip, head, body, .. } = request;
        let Self { authenticator, throttle, generator, crypto_pool, metrics, .. } = self;
        let now = log.time();
        // Over the request as it came, before a byte of its body is understood.
        let caller = authenticator.authenticate(head, body, now)?;
        log.set_caller(&caller);
        let operation = head::operation(head);
        log.set_operation(operation);
        if !throttle.admits(&caller) {
            return Err(Refusal::Throttled { caller: caller.to_string() });
        }
        let operation = operation.ok_or(Refusal::UnknownOperation)?;
        head::check_content_type(head)?;
        let asker = Asker { caller: &caller, now, channel, source_ip };
        match operation {
            Operation::GenerateRandom => {
                let request = generate_random::parse(body, log)?;
                let answered = generate_random::answer(generator, crypto_pool, &asker, request);
                generate_random::finish(answered.await, log, metrics)
            }
            Operation::DescribeCustomKeyStores => {
                let Generator { policy, key_stores, .. } = &**generator;
                describe_custom_key_stores::answer(policy, key_stores.as_slice(), &asker, body)
            }
        }
    }

    fn refuse(&self, refusal: &Refusal, request: Received<'_>, mut log: RequestLog<'_>) -> Answer {
        let error = refusal.to_kms();
        log.reject(&error);
        log.write_reason(error.error_type, || Reason {
            text: refusal.to_string(),
            is_internal: refusal.is_internal(),
            access_key_id: match refusal {
                Refusal::Authentication(_) => {
                    self.authenticator.claimed_access_key_id(request.head)
                }
                _ => None,
            },
        });
        Answer::error(&error)
    }

    /// Answers a request that was rejected before it was read in whole, and logs it.
    pub(crate) fn reject(&self, request: Received<'_>, refusal: &Refusal) -> Answer {
        let error = refusal.to_kms();
        self.logger.begin(request, self.now()).reject(&error);
        Answer::error(&error)
    }

    /// Does what the crypto pool does for a request with a Recipient, on the calling task: steps 4 to 7 of
    /// a request, for benchmarks.
    ///
    /// # Errors
    /// What the caller would receive; also where callers must be authenticated, as there is no caller.
    #[cfg(feature = "simulator")]
    pub(crate) async fn generate_attested(
        &self,
        number_of_bytes: NumberOfBytes,
        document: UnverifiedDocument,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let (head, ()) = hyper::Request::new(()).into_parts();
        let now = self.now();
        let caller = self.authenticator.authenticate(&head, &[], now);
        let caller = caller.map_err(|error| Refusal::from(error).to_kms())?;
        let asker = Asker { caller: &caller, now, channel: Channel::Plain, source_ip: None };
        let request = AttestedRequest::new(number_of_bytes, document);
        let (_, outcome) = self.generator.attested(&asker, request, None).await;
        outcome.map_err(|refusal| refusal.to_kms())
    }

    /// Returns the time, as the NSM has it.
    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Returns once requests can be judged by [`now`](Self::now). After a pause of this process that takes
    /// as long as the NSM takes to confirm the time.
    ///
    /// # Errors
    /// If the NSM does not confirm it.
    async fn clock_confirmed(&self) -> Result<(), ClockFault> {
        let Self { clock, generator, metrics, .. } = self;
        let confirmed = match clock.check() {
            // It will not be asked any more.
            Err(fault) if generator.entropy.nsm().is_latched() => Err(fault),
            Err(_) => clock.confirmed().await,
            checked => checked,
        };
        confirmed.inspect_err(|_| {
            metrics.clock_failures.inc();
        })
    }

    /// Returns the fault that a request would meet, as far as is known: it shows before the first caller
    /// is told of it, and its end too.
    pub(crate) fn fault(&self) -> Option<String> {
        let entropy = self.generator.entropy.fault().map(|fault| fault.to_string());
        entropy.or_else(|| self.clock.check().err().map(|fault| fault.to_string()))
    }

    /// Brings the metrics up to date that are only read when they are shown.
    pub(crate) fn refresh_metrics(&self) {
        let Self { generator, logger, metrics, key_store_metrics, .. } = self;
        logger.refresh_metrics();
        metrics.set_verified(&generator.verifier);
        generator.entropy.nsm().refresh_metrics();
        generator.key_stores.refresh_metrics(key_store_metrics);
    }
}
