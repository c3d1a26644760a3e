//! The lines of a file with an audit trail.

use std::borrow::Cow;

use attestation::AuditStream;
use serde::Deserialize;

/// A line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TrailLine<'a> {
    Record(RecordLine<'a>),
    Digest(DigestLine<'a>),
    /// A line of another program, or of the enclave's log.
    Other,
}

/// An audit record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordLine<'a> {
    pub(super) stream: AuditStream,
    pub(super) sequence: u64,
    pub(super) request_id: &'a str,
    pub(super) event_time: &'a str,
}

/// A digest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DigestLine<'a> {
    /// The stream that the line names. The statement may name another one.
    pub(super) stream: AuditStream,
    /// The statement, in base64.
    pub(super) statement: &'a str,
    /// The attestation document, in base64.
    pub(super) document: Option<&'a str>,
}

/// The members that the enclave writes. It escapes no character of their values.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    stream: Option<&'a str>,
    sequence: Option<u64>,
    #[serde(rename = "requestID")]
    request_id: Option<&'a str>,
    event_time: Option<&'a str>,
    audit_digest: Option<&'a str>,
    attestation_document: Option<&'a str>,
}

impl<'a> TrailLine<'a> {
    /// Parses a line without its line feed, as the enclave wrote it.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        Self::parse_members(line).unwrap_or(Self::Other)
    }

    fn parse_members(line: &'a [u8]) -> Option<Self> {
        let members: Members<'_> = serde_json::from_slice(line).ok()?;
        let stream = members.stream?.parse().ok()?;
        if let Some(statement) = members.audit_digest {
            let document = members.attestation_document;
            return Some(Self::Digest(DigestLine { stream, statement, document }));
        }
        let sequence = members.sequence?;
        let (request_id, event_time) = (members.request_id?, members.event_time?);
        Some(Self::Record(RecordLine { stream, sequence, request_id, event_time }))
    }
}

/// Returns the line as the enclave wrote it: without the member `"cid":N` that the relay inserts as the last member
/// of each line. The last member that an enclave writes is `sequence` in a record and `stream` in a digest, so the
/// relay's member is the only one that can stand there.
pub(super) fn without_cid(line: &[u8]) -> Cow<'_, [u8]> {
    match strip_cid(line) {
        Some(members) => Cow::Owned([members, b"}"].concat()),
        None => Cow::Borrowed(line),
    }
}

/// Returns the line before the relay's member, if there is one. Its number has no leading zero.
fn strip_cid(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"}")?;
    let comma = line.iter().rposition(|byte| *byte == b',')?;
    let (members, last) = line.split_at_checked(comma)?;
    let number = std::str::from_utf8(last.strip_prefix(b",\"cid\":")?).ok()?;
    let cid: u32 = number.parse().ok()?;
    (cid.to_string() == number).then_some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_only_the_member_that_the_relay_inserts() {
        let line = br#"{"stream":"00","sequence":7}"#;
        let relayed = br#"{"stream":"00","sequence":7,"cid":16}"#;
        assert_eq!(*without_cid(relayed), line[..]);
        for unchanged in [
            &line[..],
            br#"{"cid":16}"#,
            br#"{"a":1,"cid":016}"#,
            br#"{"a":1,"cid":+16}"#,
            br#"{"a":1,"cid":4294967296}"#,
            br#"{"a":1,"cid":16} "#,
            br#"{"a":1,"cid":"16"}"#,
            br#"{"cid":16,"a":1}"#,
            b"",
        ] {
            assert_eq!(*without_cid(unchanged), *unchanged);
        }
    }

    #[test]
    fn recognises_records_and_digests() {
        let stream = "0011223344556677".parse().unwrap();
        let record =
            br#"{"eventTime":"t","requestID":"i","stream":"0011223344556677","sequence":7}"#;
        let expected = RecordLine { stream, sequence: 7, request_id: "i", event_time: "t" };
        assert_eq!(TrailLine::parse(record), TrailLine::Record(expected));
        let digest = br#"{"auditDigest":"AA==","stream":"0011223344556677"}"#;
        let expected = DigestLine { stream, statement: "AA==", document: None };
        assert_eq!(TrailLine::parse(digest), TrailLine::Digest(expected));
        for other in [
            &b"log line"[..],
            br#"{"level":"INFO"}"#,
            br#"{"eventTime":"t","requestID":"i","stream":"other","sequence":7}"#,
            br#"{"eventTime":"t","requestID":"i","stream":"0011223344556677","sequence":-7}"#,
        ] {
            assert_eq!(TrailLine::parse(other), TrailLine::Other);
        }
    }
}
