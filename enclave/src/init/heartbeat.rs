//! The heartbeat: one byte that signals the start of the enclave to the parent instance. The parent sends
//! the same byte back. nitro-cli and the init of `aws-nitro-enclaves-sdk-bootstrap` use the same protocol:
//! <https://github.com/aws/aws-nitro-enclaves-sdk-bootstrap/blob/main/init/init.c>.

use std::io;
use std::time::Duration;

use attestation::time::HumanTimeout;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use transport::{Endpoint, HEARTBEAT_PORT, connect};

use super::error::InitError;

const HEARTBEAT: u8 = 0xb7;

/// Longest time that the exchange may take. The parent instance waits only for this connection, so it
/// should respond at once.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn send(cid: u32) -> Result<(), InitError> {
    let port = HEARTBEAT_PORT;
    let result = timeout(TIMEOUT, async {
        let mut stream =
            connect(&Endpoint::Vsock { cid, port }).await.map_err(|error| error.source)?;
        exchange(&mut stream).await
    });
    let reason = match result.await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no response within {}", HumanTimeout(TIMEOUT)),
    };
    Err(InitError::Heartbeat { cid, port, reason })
}

async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_u8(HEARTBEAT).await?;
    stream.flush().await?;
    match stream.read_u8().await? {
        HEARTBEAT => Ok(()),
        other => Err(io::Error::other(format!(
            "the response is {other:#04x} instead of {HEARTBEAT:#04x}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Exchanges heartbeats with a parent that sends `answer`.
    async fn answered(answer: &[u8]) -> io::Result<()> {
        let (mut enclave, mut parent) = duplex(8);
        let parent = async {
            assert_eq!(parent.read_u8().await.unwrap(), 0xb7);
            parent.write_all(answer).await.unwrap();
            drop(parent);
        };
        let (result, ()) = tokio::join!(exchange(&mut enclave), parent);
        result
    }

    #[tokio::test]
    async fn accepts_only_the_heartbeat_byte_as_response() {
        answered(&[0xb7]).await.unwrap();
        let error = answered(&[0xb6]).await.unwrap_err().to_string();
        assert_eq!(error, "the response is 0xb6 instead of 0xb7");
        assert_eq!(answered(&[]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
