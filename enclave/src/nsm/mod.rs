//! The thread that owns the Nitro Secure Module. The kernel's driver serialises all calls on one
//! mutex and may block for two minutes, so no call is ever made on a thread that serves requests.

use std::{io, thread};

use shared::nsm::{Nsm, RANDOM_BLOCK_LENGTH, Request, Response};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::entropy::RandomBytes;

/// Draws that wait for the device at a time. Past that, callers wait to be queued.
const QUEUE_LENGTH: usize = 64;

/// Why the module gave no entropy. There is no second source: the request fails.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NsmFault {
    /// The module answered with an error code.
    #[error("the NSM answered with error {code}")]
    Refused {
        /// Its name.
        code: &'static str,
    },
    /// A block of another size than 256 bytes.
    #[error("the NSM returned {length} random bytes instead of 256")]
    BlockLength {
        /// How many bytes came.
        length: usize,
    },
    /// An answer to another question.
    #[error("the NSM answered another request")]
    UnexpectedResponse,
    /// The thread is gone.
    #[error("the NSM thread has ended")]
    ThreadEnded,
}

struct Draw {
    length: usize,
    reply: oneshot::Sender<Result<RandomBytes, NsmFault>>,
}

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct NsmThread {
    draws: mpsc::Sender<Draw>,
}

impl NsmThread {
    /// Hands the module to a thread of its own, which ends with the last handle.
    pub(crate) fn spawn<N: Nsm>(mut nsm: N) -> io::Result<Self> {
        let (draws, mut queue) = mpsc::channel::<Draw>(QUEUE_LENGTH);
        thread::Builder::new().name("nsm".to_owned()).spawn(move || {
            while let Some(Draw { length, reply }) = queue.blocking_recv() {
                // Whoever has given up needs no entropy.
                if reply.is_closed() {
                    continue;
                }
                let drawn = draw(&mut nsm, length);
                // Unsent bytes are wiped as they are dropped.
                drop(reply.send(drawn));
            }
        })?;
        Ok(Self { draws })
    }

    /// `length` random bytes, all or nothing.
    pub(crate) async fn draw(&self, length: usize) -> Result<RandomBytes, NsmFault> {
        let (reply, drawn) = oneshot::channel();
        let sent = self.draws.send(Draw { length, reply }).await;
        sent.map_err(|_| NsmFault::ThreadEnded)?;
        drawn.await.map_err(|_| NsmFault::ThreadEnded)?
    }
}

fn draw(nsm: &mut impl Nsm, length: usize) -> Result<RandomBytes, NsmFault> {
    // Exactly once: a vector that grew would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    while bytes.len() < length {
        let block = random_block(nsm)?;
        let wanted = block.iter().take(length - bytes.len());
        bytes.extend(wanted);
    }
    Ok(RandomBytes::new(bytes))
}

/// One answer of the module. It is never formatted: its Debug prints the bytes.
fn random_block(nsm: &mut impl Nsm) -> Result<Zeroizing<Vec<u8>>, NsmFault> {
    match nsm.process(Request::GetRandom) {
        Response::GetRandom { random } => {
            let random = Zeroizing::new(random);
            match random.len() {
                RANDOM_BLOCK_LENGTH => Ok(random),
                length => Err(NsmFault::BlockLength { length }),
            }
        }
        Response::Error(code) => Err(NsmFault::Refused { code: code_name(&code) }),
        _ => Err(NsmFault::UnexpectedResponse),
    }
}

const fn code_name(code: &shared::nsm::ErrorCode) -> &'static str {
    use shared::nsm::ErrorCode;
    match code {
        ErrorCode::Success => "Success",
        ErrorCode::InvalidArgument => "InvalidArgument",
        ErrorCode::InvalidIndex => "InvalidIndex",
        ErrorCode::InvalidResponse => "InvalidResponse",
        ErrorCode::ReadOnlyIndex => "ReadOnlyIndex",
        ErrorCode::InvalidOperation => "InvalidOperation",
        ErrorCode::BufferTooSmall => "BufferTooSmall",
        ErrorCode::InputTooLarge => "InputTooLarge",
        ErrorCode::InternalError => "InternalError",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use shared::nsm::ErrorCode;

    use super::*;

    /// Answers what it was told to, in order.
    struct Script(VecDeque<Response>);

    impl Nsm for Script {
        fn process(&mut self, request: Request) -> Response {
            assert!(matches!(request, Request::GetRandom));
            self.0.pop_front().expect("no more calls than the draw needs")
        }
    }

    fn block(length: usize, byte: u8) -> Response {
        Response::GetRandom { random: vec![byte; length] }
    }

    async fn drawn(
        length: usize,
        script: impl IntoIterator<Item = Response>,
    ) -> Result<Vec<u8>, NsmFault> {
        let thread = NsmThread::spawn(Script(script.into_iter().collect())).unwrap();
        thread.draw(length).await.map(|bytes| bytes.expose().to_vec())
    }

    #[tokio::test]
    async fn draws_whole_blocks_and_gives_exactly_what_was_asked_for() {
        assert_eq!(drawn(1, [block(256, 7)]).await.unwrap(), [7]);
        assert_eq!(drawn(256, [block(256, 7)]).await.unwrap(), [7; 256]);
        let two = drawn(257, [block(256, 7), block(256, 8)]).await.unwrap();
        assert_eq!((two.len(), two[255], two[256]), (257, 7, 8));
    }

    #[tokio::test]
    async fn gives_nothing_when_a_later_block_fails() {
        let refused = [block(256, 7), Response::Error(ErrorCode::InternalError)];
        let fault = drawn(300, refused).await.unwrap_err();
        assert_eq!(fault, NsmFault::Refused { code: "InternalError" });
    }

    #[tokio::test]
    async fn refuses_blocks_of_another_size_and_other_answers() {
        for length in [0, 1, 255, 257] {
            let fault = drawn(1, [block(length, 7)]).await.unwrap_err();
            assert_eq!(fault, NsmFault::BlockLength { length });
        }
        let fault = drawn(1, [Response::LockPCR]).await.unwrap_err();
        assert_eq!(fault, NsmFault::UnexpectedResponse);
    }

    #[tokio::test]
    async fn says_so_when_the_thread_is_gone() {
        let thread = NsmThread::spawn(Script(VecDeque::new())).unwrap();
        // The script has nothing to say, so its thread panics.
        assert_eq!(thread.draw(1).await.unwrap_err(), NsmFault::ThreadEnded);
        assert_eq!(thread.draw(1).await.unwrap_err(), NsmFault::ThreadEnded);
    }
}
