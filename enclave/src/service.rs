//! The service: routes a request to KMS, to a health check, or to the platform.

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{Familiarity, TrustAnchors, UnverifiedDocument, Verifier};
use hyper::{Method, StatusCode};
use kms_api::{ErrorType, KmsError, NumberOfBytes};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::attestation_endpoint::{self, AttestationEndpoint};
use crate::audit::{Audit, Record};
use crate::clock::{ClockFault, TrustedClock};
use crate::config::Settings;
use crate::crypto_pool::{self, CryptoPool};
use crate::entropy::{Entropy, EntropyFault, KnownAnswerError, known_answers};
use crate::http::Answer;
use crate::key_store::{KeyStoreError, KeyStores};
use crate::kms::{self, Generator, RefusalLog};
use crate::metrics::{self, Metrics, Moment};
use crate::nsm::{Booted, NsmFault, NsmThread};
use crate::platform::{Platform, PlatformError, check_pcr0};
use crate::process;
use crate::request::Received;
use crate::tls::{Tls, TlsError};

/// Where KMS is asked.
const KMS_PATH: &str = "/";

/// The service on a platform.
#[derive(Debug)]
pub struct Service<P: Platform> {
    pub(crate) platform: P,
    pub(crate) settings: Settings,
    pub(crate) generator: Arc<Generator<P::Trust>>,
    pub(crate) workers: CryptoPool,
    clock: Arc<TrustedClock<P::Clock>>,
    pub(crate) metrics: Arc<Metrics>,
    audit: Audit,
    pub(crate) refusal_log: RefusalLog,
    own_documents: AttestationEndpoint,
    tls: Option<Tls>,
}

/// Why the service does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Not where it should run.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// It does not compute what it should.
    #[error(transparent)]
    KnownAnswer(#[from] KnownAnswerError),
    /// No thread for the NSM, or to verify documents.
    #[error("no thread is to be had: {0}")]
    Thread(#[from] io::Error),
    /// The NSM does not work.
    #[error("{0}; without entropy there is nothing to serve")]
    Nsm(#[from] NsmFault),
    /// There is no entropy.
    #[error("{0}; without entropy there is nothing to serve")]
    Entropy(#[from] EntropyFault),
    /// There are no keys for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A key store cannot be.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl<P: Platform> Service<P> {
    /// Takes the platform into service: everything that an answer needs must work before anybody
    /// is served.
    ///
    /// # Errors
    /// If it does not.
    pub async fn start(
        platform: P,
        nsm: P::Nsm,
        anchors: TrustAnchors<P::Trust>,
        mut settings: Settings,
        audit: Audit,
    ) -> Result<Self, StartError> {
        platform.examine(&settings.platform)?;
        let passed = known_answers::run()?;
        let metrics = Arc::new(Metrics::new());
        let booted = NsmThread::start(
            nsm,
            platform.clock(),
            &settings.entropy.nsm,
            settings.measurement,
            Arc::clone(&metrics),
        );
        let Booted { nsm, clock, pcr0 } = booted.await??;
        check_pcr0(&pcr0, settings.policy.of_documents().1)?;
        let prediction_resistance = settings.entropy.prediction_resistance;
        let entropy = Entropy::instantiate(
            passed,
            nsm,
            crypto_pool::default_number().get() + settings.workers.get(),
            prediction_resistance,
            Arc::clone(&metrics),
        );
        let entropy = entropy.await?;
        let now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now())
        };
        let tls = Tls::start(&settings.tls, now, &metrics)?;
        let stores = mem::take(&mut settings.key_stores);
        let key_stores = KeyStores::start(stores, clock.now(), &metrics)?;
        settings.announce(clock.now());
        tracing::info!(
            provider = attestation::crypto::PROVIDER,
            "the NSM gives entropy; in service"
        );
        platform.in_service();
        let verifier = Verifier::new(anchors, settings.caches);
        let policy = Arc::clone(&settings.policy);
        let generator = Arc::new(Generator { verifier, policy, entropy, key_stores });
        let workers = CryptoPool::start(settings.workers)?;
        let own_documents = AttestationEndpoint::new(tls.as_ref().and_then(Tls::binding), &metrics);
        let audit = audit.limited(settings.unauthenticated);
        let this = Self {
            platform,
            settings,
            generator,
            workers,
            clock,
            metrics,
            audit,
            refusal_log: RefusalLog::new(),
            own_documents,
            tls,
        };
        Ok(this)
    }

    /// The TLS that ends here, if any does.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Whether clients must speak TLS to it.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The certificate, in PEM, of the authority that was born in this service and that all of its TLS
    /// ends at: `[tls] mode = "attested"`.
    pub fn certificate_authority_pem(&self) -> Option<&str> {
        self.tls.as_ref().and_then(Tls::certificate_pem)
    }

    /// What a worker does for a request with a Recipient, without the way there and back: steps 4 to 7 of
    /// a request, on the calling task. For who measures it.
    ///
    /// # Errors
    /// What the caller would be told; also where callers must be authenticated, for nobody is here.
    pub async fn generate_attested(
        &self,
        number_of_bytes: NumberOfBytes,
        document: UnverifiedDocument,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        kms::generate_attested(self, number_of_bytes, document).await
    }

    /// Answers one request.
    pub async fn answer(&self, request: Received<'_>) -> Answer {
        let Received { connection, head, body, .. } = request;
        match (&head.method, head.uri.path()) {
            (&Method::POST, KMS_PATH) => self.or_elsewhere(kms::answer(self, request).await),
            (&Method::GET, attestation_endpoint::PATH) => {
                let nsm = self.generator.entropy.nsm();
                self.own_documents.answer(nsm, connection, head).await
            }
            (method, path) => self
                .health(method, path)
                .or_else(|| self.platform.answer(head, body))
                .unwrap_or_else(|| Answer::error(&KmsError::bare(ErrorType::UnknownOperation))),
        }
    }

    /// Ends the connection with a fault that the next request would meet again: who keeps it alive and
    /// tries again would stay here, while a new one may lead to an enclave that is ready.
    fn or_elsewhere(&self, answer: Answer) -> Answer {
        match answer.is_fault() && self.unreadiness().is_some() {
            true => answer.and_close(),
            false => answer,
        }
    }

    /// How the service is, for whoever asks.
    pub(crate) fn health(&self, method: &Method, path: &str) -> Option<Answer> {
        match (method, path) {
            (&Method::GET, "/healthz") => Some(Answer::text(StatusCode::OK, "ok\n")),
            (&Method::GET, "/readyz") => Some(self.readiness()),
            (&Method::GET, "/metrics") => Some(self.show_metrics()),
            _ => None,
        }
    }

    /// Answers a request that HTTP itself refuses. One to KMS is recorded all the same.
    pub(crate) fn refuse(&self, request: Received<'_>, error: &KmsError) -> Answer {
        let head = request.head;
        if head.method == Method::POST && head.uri.path() == KMS_PATH {
            self.open_account(request).refuse(error);
        }
        Answer::error(error)
    }

    /// Begins the account of a request to KMS.
    pub(crate) fn open_account(&self, request: Received<'_>) -> Account<'_> {
        let region = self.settings.region.clone();
        let entry = self.audit.open(Record::new(request, self.now(), region));
        Account::open(entry, &self.metrics.requests)
    }

    /// What time it is, as the NSM has it.
    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Returns once a request can be judged by [`now`](Self::now). After a pause of this process that takes
    /// as long as the NSM takes to confirm the time.
    ///
    /// # Errors
    /// If the NSM does not.
    pub(crate) async fn clock_confirmed(&self) -> Result<(), ClockFault> {
        let confirmed = match self.clock.check() {
            // It will not be asked any more.
            Err(fault) if self.generator.entropy.nsm().is_latched() => Err(fault),
            Err(_) => self.clock.confirmed().await,
            checked => checked,
        };
        confirmed.inspect_err(|_| {
            self.metrics.clock_failures.inc();
        })
    }

    /// Ready is whom a request would find able to answer it, as far as is known: a fault shows
    /// before the first caller is told of it, and its end too.
    fn unreadiness(&self) -> Option<String> {
        let entropy = self.generator.entropy.fault().map(|fault| fault.to_string());
        entropy.or_else(|| self.clock.check().err().map(|fault| fault.to_string()))
    }

    fn readiness(&self) -> Answer {
        match self.unreadiness() {
            None => Answer::text(StatusCode::OK, "ready\n"),
            Some(reason) => Answer::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Answer::TEXT,
                format!("not ready: {reason}\n").into_bytes(),
            ),
        }
    }

    fn show_metrics(&self) -> Answer {
        match self.metrics_text() {
            Ok(text) => Answer::new(StatusCode::OK, metrics::CONTENT_TYPE, text.into_bytes()),
            Err(_) => Answer::error(&KmsError::bare(ErrorType::KmsInternal)),
        }
    }

    /// What `GET /metrics` shows.
    pub(crate) fn metrics_text(&self) -> Result<String, fmt::Error> {
        let (stock, expired) = self.generator.entropy.nsm().stock();
        let ready = self.unreadiness().is_none();
        let key_stores = self.generator.key_stores.count();
        let verified =
            Familiarity::ALL.map(|known| (known, self.generator.verifier.verified(known)));
        let (audit_dropped, log_dropped) = (self.audit.dropped(), process::log_dropped());
        self.metrics.encode(Moment {
            ready,
            stock,
            expired,
            verified,
            key_stores,
            audit_dropped,
            audit_omitted: self.audit.omitted(),
            log_dropped,
        })
    }

    /// Makes it know the time no longer.
    #[cfg(test)]
    pub(crate) fn expire_clock(&self) {
        self.clock.expire();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Pauses;
    use crate::platform::fake::{self, FakePlatform};
    use crate::request::{Channel, ConnectionKey, RequestId};
    use http_body_util::BodyExt;
    use hyper::Request;

    async fn ask(service: &Service<FakePlatform>, method: Method, path: &str) -> (u16, String) {
        ask_for(service, method, path, r#"{"NumberOfBytes":1}"#).await
    }

    async fn ask_for(
        service: &Service<FakePlatform>,
        method: Method,
        path: &str,
        body: &str,
    ) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "TrentService.GenerateRandom");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let id = RequestId::random();
        let (channel, body) = (Channel::Plain, body.as_bytes());
        let received = Received {
            id,
            connection: ConnectionKey::new(0, None),
            channel,
            source: None,
            head: &head,
            body,
        };
        let answer = service.answer(received).await;
        let response = answer.into_response(id, service.now());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Waits until `/readyz` says so.
    async fn becomes(service: &Service<FakePlatform>, status: u16, text: &str) {
        let told = async {
            while ask(service, Method::GET, "/readyz").await != (status, text.to_owned()) {
                tokio::task::yield_now().await;
            }
        };
        let bound = std::time::Duration::from_secs(60);
        tokio::time::timeout(bound, told).await.unwrap_or_else(|_| panic!("never {text}"));
    }

    #[tokio::test]
    async fn answers_nobody_by_a_time_that_the_nsm_has_not_confirmed() {
        for (expired, why) in [(true, "for over 60s"), (false, "since this process was paused")] {
            let service = fake::service_that_loses_the_time().await;
            assert_eq!(ask(&service, Method::POST, "/").await.0, 200);
            match expired {
                true => service.clock.expire(),
                false => Pauses::of_process().make_up(),
            }
            let (status, body) = ask(&service, Method::POST, "/").await;
            assert!(status == 500 && body.contains("KMSInternalException"), "{body}");
            let unready = format!("not ready: the NSM has not confirmed the time {why}\n");
            becomes(&service, 503, &unready).await;
            let (_, metrics) = ask(&service, Method::GET, "/metrics").await;
            let counted = "attested_random_clock_failures_total 1";
            assert!(metrics.lines().any(|line| line == counted), "{metrics}");
        }
    }

    #[tokio::test]
    async fn answers_after_a_pause_once_the_nsm_has_confirmed_the_time() {
        let service = fake::service().await;
        let confirmed = service.metrics.nsm_calls.attestation.get();
        Pauses::of_process().make_up();
        assert_eq!(ask(&service, Method::POST, "/").await.0, 200);
        assert_eq!(service.metrics.nsm_calls.attestation.get(), confirmed + 1);
        becomes(&service, 200, "ready\n").await;
        let (_, metrics) = ask(&service, Method::GET, "/metrics").await;
        let counted = "attested_random_clock_failures_total 0";
        assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    }

    #[cfg(feature = "simulator")]
    #[tokio::test]
    async fn who_finds_no_worker_is_throttled_at_once_and_who_needs_none_is_answered() {
        use std::future::pending;

        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use simulator::Forgery;
        use transport::limits::REQUESTS_PER_WORKER;

        let service = Arc::new(fake::service().await);
        let document = STANDARD.encode(Forgery::new(4, service.now()).unwrap().sign().unwrap());
        let attested = format!(
            r#"{{"NumberOfBytes":1,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256",
                "AttestationDocument":"{document}"}}}}"#
        );
        // Under another root than the service's: so far it comes, if a worker has it.
        let untrusted = ask_for(&service, Method::POST, "/", &attested).await.1;
        assert!(untrusted.contains("trust anchor"), "{untrusted}");

        let places = service.settings.workers.get() * REQUESTS_PER_WORKER;
        let mut works = tokio::task::JoinSet::new();
        for _ in 0..places {
            let service = Arc::clone(&service);
            works.spawn(async move { service.workers.run(pending::<()>()).await });
        }
        while !service.workers.is_full() {
            tokio::task::yield_now().await;
        }
        let (status, body) = ask_for(&service, Method::POST, "/", &attested).await;
        assert!(status == 400 && body.contains(r#""__type":"ThrottlingException""#), "{body}");
        assert_eq!(ask(&service, Method::POST, "/").await.0, 200);
        let (_, metrics) = ask(&service, Method::GET, "/metrics").await;
        let counted = "attested_random_workers_full_total 1";
        assert!(metrics.lines().any(|line| line == counted), "{metrics}");

        works.shutdown().await;
        while service.workers.is_full() {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask_for(&service, Method::POST, "/", &attested).await.1, untrusted);
    }
}
