//! The service: routes a request to KMS, to a health check, or to the platform.

use std::io;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use shared::attestation::TrustAnchors;
use shared::kms::{ErrorType, KmsError};
use shared::transport::limits::READINESS_TIMEOUT;
use thiserror::Error;
use tokio::time::timeout;

use crate::entropy::NsmFault;
use crate::http::Answer;
use crate::kms;
use crate::nsm::NsmThread;
use crate::platform::Platform;

/// The service on a platform.
#[derive(Debug)]
pub struct Service<P: Platform> {
    pub(crate) platform: P,
    pub(crate) anchors: TrustAnchors<P::Trust>,
    pub(crate) nsm: NsmThread,
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
    ) -> Result<Self, StartError> {
        let nsm = NsmThread::spawn(nsm)?;
        nsm.draw(1).await?;
        tracing::info!(provider = shared::crypto::PROVIDER, "the NSM gives entropy; in service");
        Ok(Self { platform, anchors, nsm })
    }

    /// Answers one request.
    pub async fn answer(&self, head: &Parts, body: &[u8]) -> Answer {
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/") => kms::answer(self, head, body).await,
            (&Method::GET, "/healthz") => Answer::text(StatusCode::OK, "ok\n"),
            (&Method::GET, "/readyz") => self.readiness().await,
            _ => self
                .platform
                .answer(head, body)
                .unwrap_or_else(|| Answer::error(&KmsError::bare(ErrorType::UnknownOperation))),
        }
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
