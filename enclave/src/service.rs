//! The service: routes a request to KMS, to a health check, or to the platform.

use std::io;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use shared::attestation::TrustAnchors;
use shared::kms::{ErrorType, KmsError};
use thiserror::Error;

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
        Ok(Self { platform, anchors, nsm })
    }

    /// Answers one request.
    pub async fn answer(&self, head: &Parts, body: &[u8]) -> Answer {
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/") => kms::answer(self, head, body).await,
            (&Method::GET, "/healthz") => Answer::text(StatusCode::OK, "ok\n"),
            (&Method::GET, "/readyz") => self.readiness(),
            _ => self
                .platform
                .answer(head, body)
                .unwrap_or_else(|| Answer::error(&KmsError::bare(ErrorType::UnknownOperation))),
        }
    }

    fn readiness(&self) -> Answer {
        if self.nsm.is_healthy() {
            Answer::text(StatusCode::OK, "ready\n")
        } else {
            Answer::text(StatusCode::SERVICE_UNAVAILABLE, "not ready: the NSM gives no entropy\n")
        }
    }
}
