//! Property test: the responses do not depend on the segments in which a stream of requests
//! arrives.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::requests::{
    BODY, BODY_LENGTH, JSON, TARGET, attested, attested_body, generate, plain, request,
    with_framing,
};
use crate::harness::response::Response;
use crate::harness::service::{PIPE_LENGTH, TestService};

const CASES: u32 = 96;
const CHUNKED: &str = "Transfer-Encoding: chunked";

/// A valid or invalid request.
#[derive(Clone, Copy, Debug)]
enum Message {
    Plain,
    Large,
    Attested,
    ChangedDocument,
    NotJson,
    OutOfRange,
    NoOperation,
    Health,
    Http10,
    Asked,
    Last,
    AnnouncedTooLarge,
    MalformedHead,
    Chunked,
    TwoLengths,
    TooShort,
    TooLong,
}

impl Message {
    fn strategy() -> impl Strategy<Value = Self> {
        // One request in four ends the connection. If the share were higher, long streams would be
        // rare.
        let valid = prop_oneof![
            Just(Self::Plain),
            Just(Self::Large),
            Just(Self::Attested),
            Just(Self::ChangedDocument),
            Just(Self::NotJson),
            Just(Self::OutOfRange),
            Just(Self::NoOperation),
            Just(Self::Health),
            Just(Self::Asked),
        ];
        let fatal = prop_oneof![
            Just(Self::Http10),
            Just(Self::Last),
            Just(Self::AnnouncedTooLarge),
            Just(Self::MalformedHead),
            Just(Self::Chunked),
            Just(Self::TwoLengths),
            Just(Self::TooShort),
            Just(Self::TooLong),
        ];
        prop_oneof![3 => valid, 1 => fatal]
    }

    fn bytes(self) -> Vec<u8> {
        let with_length =
            |length: &str| with_framing(&[&format!("Content-Length: {length}")], BODY);
        match self {
            Self::Plain => plain(),
            Self::Large => generate(r#"{"NumberOfBytes":1024}"#),
            Self::Attested => attested(),
            Self::ChangedDocument => generate(attested_body().replacen("/", "+", 1)),
            Self::NotJson => generate("{"),
            Self::OutOfRange => generate(r#"{"NumberOfBytes":0}"#),
            Self::NoOperation => request("PUT /x HTTP/1.1", &["Content-Length: 3"], "abc"),
            Self::Health => request("GET /healthz HTTP/1.1", &["X-A: a"], ""),
            Self::Http10 => request("POST / HTTP/1.0", &[JSON, TARGET, BODY_LENGTH], BODY),
            Self::Asked => with_framing(&["Expect: 100-continue", BODY_LENGTH], BODY),
            Self::Last => with_framing(&["Connection: close", BODY_LENGTH], BODY),
            Self::AnnouncedTooLarge => with_length("600000"),
            Self::MalformedHead => with_framing(&["X-A : a", BODY_LENGTH], BODY),
            Self::Chunked => with_framing(&[CHUNKED], "0\r\n\r\n"),
            Self::TwoLengths => with_framing(&[BODY_LENGTH, "Content-Length: 0"], BODY),
            Self::TooShort => with_length("17"),
            Self::TooLong => with_length("23"),
        }
    }
}

/// Concatenates one to five requests. Truncates the last request at `cut` if each request has its
/// true length.
///
/// No stream contains a malformed head that never ends, because the response depends on the pieces.
/// hyper returns 400 if such a head arrives at once. If the head arrives in pieces, hyper waits for
/// its end and sends no response.
fn stream(messages: &[Message], cut: Option<Index>) -> Vec<u8> {
    let mut stream: Vec<u8> = messages.iter().flat_map(|message| message.bytes()).collect();
    let is_wrong_length =
        |message: &Message| matches!(message, Message::TooShort | Message::TooLong);
    let (Some(last), before) = (messages.last(), messages.iter().rev().skip(1)) else {
        return stream;
    };
    if before.clone().any(is_wrong_length) || is_wrong_length(last) {
        // The bytes after the announced length start another head. The empty line ends that head.
        stream.extend_from_slice(b"\r\n\r\n");
    } else if let (Some(cut), Message::Plain | Message::Attested) = (cut, last) {
        let length = last.bytes().len();
        stream.truncate(stream.len() - length + cut.index(length));
    }
    stream
}

/// Splits the stream at `cuts`. If there are no cuts, splits the stream into single bytes.
fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    if cuts.is_empty() || stream.is_empty() {
        return stream.chunks(1).collect();
    }
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
    cuts.sort_unstable();
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([stream.len()]);
    starts.zip(ends).map(|(start, end)| &stream[start..end]).collect()
}

/// Returns the responses without their random parts, and the number of entropy draws.
fn responses(service: &TestService, pieces: &[&[u8]], pipe_length: usize) -> (Vec<Response>, u64) {
    let before = service.draws();
    let responses = service.send_in_pieces(pieces, pipe_length);
    (responses.into_iter().map(Response::normalized).collect(), service.draws() - before)
}

pub(crate) fn assert_chunking_changes_nothing() {
    let service = TestService::new();
    let strategy = (
        vec(Message::strategy(), 1..=5),
        proptest::option::of(any::<Index>()),
        vec(any::<Index>(), 0..24),
        prop_oneof![Just(1), Just(7), Just(PIPE_LENGTH)],
    );
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let property = |(messages, cut, cuts, pipe_length): (Vec<_>, _, Vec<_>, _)| {
        let stream = stream(&messages, cut);
        let whole = responses(&service, &[&stream], PIPE_LENGTH);
        let in_pieces = responses(&service, &pieces(&stream, &cuts), pipe_length);
        prop_assert_eq!(whole, in_pieces);
        Ok(())
    };
    TestRunner::new(config).run(&strategy, property).unwrap();
}
