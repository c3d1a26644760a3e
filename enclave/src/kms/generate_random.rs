//! GenerateRandom.

use zeroize::Zeroizing;

use super::error::Refusal;
use super::request::Request;
use crate::clock::Clock;
use crate::platform::Platform;
use crate::policy::Admitted;
use crate::service::Service;

pub(super) async fn perform<P: Platform>(
    service: &Service<P>,
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let admitted = consider(service, body)?;
    let random = service.nsm.draw(admitted.draw_length()).await?;
    Ok(admitted.deliver(random)?)
}

/// Everything before entropy is drawn: cheap before dear, and no entropy for who will be refused.
fn consider<P: Platform>(service: &Service<P>, body: &[u8]) -> Result<Admitted, Refusal> {
    let (request, custom_key_store_id) = Request::parse(body)?;
    let admitted = match request {
        Request::Plain(request) => Admitted::plain(request),
        Request::Attested(request) => {
            let now = service.platform.clock().now();
            Admitted::attested(request.verify(&service.anchors, now)?)?
        }
    };
    // Last: who is not admitted learns nothing of which stores there are.
    match custom_key_store_id {
        Some(id) => Err(Refusal::CustomKeyStoreNotFound { id }),
        None => Ok(admitted),
    }
}
