//! The service: routes a request to KMS, to a health check, or to the platform.

use std::io;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use shared::attestation::TrustAnchors;
use shared::kms::{ErrorType, KmsError};
use shared::transport::limits::READINESS_TIMEOUT;
use thiserror::Error;
use tokio::time::timeout;

use crate::audit::{Audit, Entry, Record};
use crate::clock::Clock;
use crate::config::Settings;
use crate::entropy::NsmFault;
use crate::http::{Answer, RequestId};
use crate::kms;
use crate::nsm::NsmThread;
use crate::platform::Platform;

/// Where KMS is asked.
const KMS_PATH: &str = "/";

/// The service on a platform.
#[derive(Debug)]
pub struct Service<P: Platform> {
    pub(crate) platform: P,
    pub(crate) anchors: TrustAnchors<P::Trust>,
    pub(crate) settings: Settings,
    pub(crate) nsm: NsmThread,
    audit: Audit,
}

/// Why the service does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// No thread for the NSM.
    #[error("no thread for the NSM: {0}")]
    Thread(#[from] io::Error),
    /// The NSM gives no entropy.
    #[error("{0}; without entropy there is nothing to serve")]
    Nsm(#[from] NsmFault),
}

impl<P: Platform> Service<P> {
    /// Takes the platform into service: it must give entropy before anybody is served.
    ///
    /// # Errors
    /// If it does not.
    pub async fn start(
        platform: P,
        nsm: P::Nsm,
        anchors: TrustAnchors<P::Trust>,
        settings: Settings,
        audit: Audit,
    ) -> Result<Self, StartError> {
        let nsm = NsmThread::spawn(nsm)?;
        nsm.draw(1).await?;
        settings.announce(platform.clock().now());
        tracing::info!(provider = shared::crypto::PROVIDER, "the NSM gives entropy; in service");
        Ok(Self { platform, anchors, settings, nsm, audit })
    }

    /// Answers one request.
    pub async fn answer(&self, id: RequestId, head: &Parts, body: &[u8]) -> Answer {
        match (&head.method, head.uri.path()) {
            (&Method::POST, KMS_PATH) => kms::answer(self, id, head, body).await,
            (&Method::GET, "/healthz") => Answer::text(StatusCode::OK, "ok\n"),
            (&Method::GET, "/readyz") => self.readiness().await,
            _ => self
                .platform
                .answer(head, body)
                .unwrap_or_else(|| Answer::error(&KmsError::bare(ErrorType::UnknownOperation))),
        }
    }

    /// Answers a request that HTTP itself refuses. One to KMS is recorded all the same.
    pub(crate) fn refuse(&self, id: RequestId, head: &Parts, error: &KmsError) -> Answer {
        if head.method == Method::POST && head.uri.path() == KMS_PATH {
            self.open_entry(id, head).refuse(error);
        }
        Answer::error(error)
    }

    /// Begins the record of a request to KMS.
    pub(crate) fn open_entry(&self, id: RequestId, head: &Parts) -> Entry<'_> {
        let region = self.settings.region.clone();
        let now = self.platform.clock().now();
        self.audit.open(Record::new(id, now, region, &head.headers))
    }

    /// Ready is who gives entropy now: a fault shows at once, and its end too.
    async fn readiness(&self) -> Answer {
        match timeout(READINESS_TIMEOUT, self.nsm.draw(1)).await {
            Ok(Ok(_)) => Answer::text(StatusCode::OK, "ready\n"),
            Ok(Err(_)) | Err(_) => {
                let reason = "not ready: the NSM gives no entropy\n";
                Answer::text(StatusCode::SERVICE_UNAVAILABLE, reason)
            }
        }
    }
}
