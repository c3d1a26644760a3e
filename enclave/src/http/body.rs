//! Reads a request's body, up to a cap and a deadline.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header;
use hyper::http::request::Parts;
use shared::kms::{ErrorType, KmsError};
use shared::transport::limits::{BODY_DISCARD_LENGTH, BODY_READ_TIMEOUT, MAX_BODY_LENGTH};
use tokio::time::timeout;

use super::Answer;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The client shall be told why.
    Refused(Answer),
    /// The client is gone or too slow: nobody is there to be told.
    Lost,
}

pub(super) async fn read(head: &Parts, body: Incoming) -> Result<Bytes, BodyError> {
    // No KMS client sends a body without Content-Length, and what is not accepted cannot be
    // smuggled.
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        let message = "Transfer-Encoding is not supported; send the body with Content-Length";
        return Err(BodyError::Refused(
            Answer::error(&KmsError::new(ErrorType::Validation, message)).and_close(),
        ));
    }
    timeout(BODY_READ_TIMEOUT, collect(body)).await.unwrap_or(Err(BodyError::Lost))
}

async fn collect(mut body: Incoming) -> Result<Bytes, BodyError> {
    let claimed = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if claimed > MAX_BODY_LENGTH {
        return Err(discard(body).await);
    }
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Lost)?.into_data() else { continue };
        if first.is_empty() && more.is_empty() {
            // Nearly every body arrives in one piece, which is then used as it stands.
            first = data;
            continue;
        }
        if more.is_empty() {
            more.reserve(claimed);
            more.extend_from_slice(&first);
        }
        more.extend_from_slice(&data);
    }
    Ok(if more.is_empty() { first } else { more.freeze() })
}

/// Reads on for a while: a connection closed over unread bytes is reset, and the client would see
/// that instead of the answer.
async fn discard(mut body: Incoming) -> BodyError {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > BODY_DISCARD_LENGTH {
            break;
        }
    }
    let message = format!("The request body exceeds {MAX_BODY_LENGTH} bytes.");
    let error = KmsError::new(ErrorType::RequestEntityTooLarge, message);
    BodyError::Refused(Answer::error(&error).and_close())
}
