//! The calls of a client: their attempts, and the connections that they use.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::time::{sleep, timeout_at};

use super::error::{ClientError, TIMEOUT};
use super::requests::run;
use super::response::Response;
use crate::credentials::{Credentials, UnsignedRequest};
use crate::retries::Retries;
use crate::verified_connection::{
    ConnectionError, ErrorKind, Proof, Request, VerifiedConnection, Verifier,
};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The audit record of a request contains this value.
const USER_AGENT: (&str, &str) =
    ("user-agent", concat!("attested-recipient/", env!("CARGO_PKG_VERSION")));

const TOO_MANY_REQUESTS: u16 = 429;

/// The state that the calls of a client share.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) url: String,
    pub(super) verifier: Verifier,
    credentials: Option<Arc<Credentials>>,
    /// An open connection between two requests.
    idle: Arc<Mutex<Option<VerifiedConnection>>>,
}

/// A call of the service.
pub(super) struct Call {
    kind: Kind,
    body: Vec<u8>,
}

enum Kind {
    /// A KMS operation, whose response must be verified.
    Kms { target: &'static str },
    /// A request whose response nothing proves, with JSON.
    Unverified { start_line: String },
}

/// The response to a call, and what belongs to it.
pub(super) struct Answer {
    pub(super) response: Response,
    /// The request body.
    pub(super) body: Vec<u8>,
    /// The enclave's document. Empty if nothing proves the response.
    pub(super) document: Vec<u8>,
}

impl Call {
    pub(super) fn kms(target: &'static str, body: String) -> Self {
        Self { kind: Kind::Kms { target }, body: body.into_bytes() }
    }

    pub(super) fn unverified(start_line: impl Into<String>, body: String) -> Self {
        Self { kind: Kind::Unverified { start_line: start_line.into() }, body: body.into_bytes() }
    }
}

impl Session {
    pub(super) fn new(verifier: Verifier) -> Self {
        let url = verifier.upstream().to_string();
        Self { url, verifier, credentials: None, idle: Arc::default() }
    }

    pub(super) fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(Arc::new(credentials)), ..self }
    }

    /// Returns a session with another verifier, and without the connection of the first verifier.
    pub(super) fn with_verifier(self, change: impl FnOnce(Verifier) -> Verifier) -> Self {
        Self { verifier: change(self.verifier), idle: Arc::default(), ..self }
    }

    /// Makes a call, and blocks until it has finished.
    pub(super) fn call(&self, call: Call) -> Result<Answer, ClientError> {
        let session = self.clone();
        run(async move {
            let (response, document) = session.attempts(&call).await?;
            Ok(Answer { response, body: call.body, document })
        })
    }

    /// Repeats the call while the service throttles it and time remains.
    async fn attempts(&self, call: &Call) -> Result<(Response, Vec<u8>), ClientError> {
        let deadline = Instant::now() + TIMEOUT;
        let mut retries = Retries::until(deadline);
        loop {
            let attempt = timeout_at(deadline.into(), self.attempt(call)).await;
            let attempt = attempt.map_err(|_| ClientError::TimedOut { url: self.url.clone() })?;
            let (response, document) =
                attempt.map_err(|error| ClientError::of_connection(&self.url, error))?;
            if response.status != TOO_MANY_REQUESTS {
                return Ok((response, document));
            }
            let Some(pause) = retries.pause(response.retry_after.as_deref()) else {
                let (url, throttled) = (self.url.clone(), retries.throttled());
                return Err(ClientError::Throttled { url, throttled });
            };
            sleep(pause).await;
        }
    }

    /// Sends one request. Returns the response and the enclave's document.
    async fn attempt(&self, call: &Call) -> Result<(Response, Vec<u8>), ConnectionError> {
        match &call.kind {
            Kind::Kms { target } => self.attempt_kms(target, &call.body).await,
            Kind::Unverified { start_line } => {
                let fields = [USER_AGENT, ("content-type", "application/json")];
                let sent = self.verifier.send_unverified(start_line, &fields, &call.body).await?;
                Ok((Response::unverified(sent), Vec::new()))
            }
        }
    }

    /// Sends one request with a new signature and a new nonce.
    ///
    /// An enclave that restarts closes its connections. So the request is sent again if a connection that was used
    /// before fails.
    async fn attempt_kms(
        &self,
        target: &str,
        body: &[u8],
    ) -> Result<(Response, Vec<u8>), ConnectionError> {
        let request = self.request(target, body).await?;
        if let Some(connection) = self.take_idle() {
            match self.send(connection, &request).await {
                Err(error) if error.kind() == ErrorKind::Transport => {}
                sent => return sent,
            }
        }
        self.send(self.verifier.open().await?, &request).await
    }

    fn take_idle(&self) -> Option<VerifiedConnection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sends a request on `connection`, and keeps the connection for the next request if it remains open.
    async fn send(
        &self,
        mut connection: VerifiedConnection,
        request: &Request,
    ) -> Result<(Response, Vec<u8>), ConnectionError> {
        let response = connection.send(request).await?;
        let document = connection.document().to_vec();
        if connection.is_open() {
            *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
        let receipt = response.receipt().filter(|_| response.proof() == Proof::Receipt);
        let response = Response {
            status: response.status(),
            retry_after: response.fields().single("retry-after").map(str::to_owned),
            receipt: receipt.map(str::to_owned),
            body: response.into_body(),
        };
        Ok((response, document))
    }

    async fn request(&self, target: &str, body: &[u8]) -> Result<Request, ConnectionError> {
        let Some(credentials) = &self.credentials else {
            let fields = [USER_AGENT, ("content-type", CONTENT_TYPE), ("x-amz-target", target)];
            return Ok(Request::new(fields, body.to_vec())?);
        };
        let host = self.verifier.upstream().authority();
        let request = UnsignedRequest { host, content_type: CONTENT_TYPE, target, body };
        let now = self.verifier.clock().read().await?.time;
        let fields = credentials.sign(&request, now);
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        Ok(Request::new(fields.chain([USER_AGENT]), body.to_vec())?)
    }
}
