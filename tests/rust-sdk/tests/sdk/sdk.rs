//! The SDK as a client, and the results of its calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kms::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{
    BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_kms::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyEncryptionMechanism, RecipientInfo};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::sigv4::identities::Identity;

/// Time limit that is reached only if a call hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An SDK client with one identity.
pub(crate) struct Sdk {
    client: aws_sdk_kms::Client,
    statuses: Statuses,
    runtime: Runtime,
}

/// A call of the SDK.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// GenerateRandom of 32 bytes.
    Plain,
    /// GenerateRandom of 32 bytes, sealed to the key in this document.
    Sealed(Vec<u8>),
    /// DescribeCustomKeyStores.
    List,
}

/// The result of a call that the user of the SDK receives.
#[derive(Debug)]
pub(crate) struct CallOutcome {
    /// The output, or the error's name and message.
    pub(crate) result: Result<Output, (String, String)>,
    /// HTTP statuses of all attempts.
    pub(crate) statuses: Vec<u16>,
}

/// The members of the output.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) plaintext: Option<Vec<u8>>,
    pub(crate) ciphertext_for_recipient: Option<Vec<u8>>,
    /// Number of key stores in the list.
    pub(crate) custom_key_stores: Option<usize>,
}

impl Sdk {
    /// Creates a client that may retry once.
    pub(crate) fn new(identity: &Identity, endpoint_url: &str) -> Self {
        Self::with_attempts(identity, endpoint_url, 2)
    }

    /// Creates a client that does not retry.
    pub(crate) fn with_one_attempt(identity: &Identity, endpoint_url: &str) -> Self {
        Self::with_attempts(identity, endpoint_url, 1)
    }

    fn with_attempts(identity: &Identity, endpoint_url: &str, attempts: u32) -> Self {
        let Identity { region, access_key_id, secret_access_key, session_token } = *identity;
        let token = session_token.map(ToOwned::to_owned);
        let statuses = Statuses::default();
        // A short backoff, so that tests do not wait.
        let retries = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(Duration::from_millis(1));
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint_url)
            .region(Region::new(region))
            .credentials_provider(Credentials::new(
                access_key_id,
                secret_access_key,
                token,
                None,
                "test",
            ))
            .retry_config(retries)
            .interceptor(statuses.clone())
            .build();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { client: aws_sdk_kms::Client::from_conf(config), statuses, runtime }
    }

    /// Makes one call.
    pub(crate) fn call(&self, call: &Call) -> CallOutcome {
        let result = self.runtime.block_on(async { timeout(TIMEOUT, self.send(call)).await });
        CallOutcome {
            result: result.expect("the call ends within the time limit"),
            statuses: self.statuses.take(),
        }
    }

    async fn send(&self, call: &Call) -> Result<Output, (String, String)> {
        let recipient = match call {
            Call::List => return self.describe_custom_key_stores().await,
            Call::Plain => None,
            Call::Sealed(document) => Some(
                RecipientInfo::builder()
                    .key_encryption_algorithm(KeyEncryptionMechanism::RsaesOaepSha256)
                    .attestation_document(Blob::new(document.clone()))
                    .build(),
            ),
        };
        let request = self.client.generate_random().number_of_bytes(32).set_recipient(recipient);
        let output = request.send().await.map_err(service_error)?;
        Ok(Output {
            plaintext: output.plaintext.map(Blob::into_inner),
            ciphertext_for_recipient: output.ciphertext_for_recipient.map(Blob::into_inner),
            ..Output::default()
        })
    }

    async fn describe_custom_key_stores(&self) -> Result<Output, (String, String)> {
        let output =
            self.client.describe_custom_key_stores().send().await.map_err(service_error)?;
        let stores = output.custom_key_stores.map(|stores| stores.len());
        Ok(Output { custom_key_stores: stores, ..Output::default() })
    }
}

/// Returns the error's name and message. Panics if the call failed before the service responded.
fn service_error<E: ProvideErrorMetadata + std::error::Error + 'static>(
    error: SdkError<E>,
) -> (String, String) {
    let SdkError::ServiceError(error) = error else { panic!("{error:?}") };
    let error = error.into_err();
    (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
}

/// An interceptor that records the HTTP status of every attempt.
#[derive(Clone, Debug, Default)]
struct Statuses(Arc<Mutex<Vec<u16>>>);

impl Statuses {
    fn take(&self) -> Vec<u16> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Intercept for Statuses {
    fn name(&self) -> &'static str {
        "Statuses"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(context.response().status().as_u16());
        Ok(())
    }
}
