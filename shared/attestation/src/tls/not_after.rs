//! The end of a certificate's validity.

use std::time::Duration;

use rsa::pkcs8::der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use rsa::pkcs8::der::{self, Reader, SliceReader, Tag, TagNumber, Tagged};
use rustls_pki_types::CertificateDer;

use crate::time::UnixMillis;

/// Returns notAfter of `certificate`, or `None` if it is not a certificate. Other fields and the signature
/// are not checked.
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<UnixMillis> {
    let since_1970 = read_not_after(certificate).ok()?;
    Some(UnixMillis::from_secs(since_1970.as_secs()))
}

/// Reads notAfter (RFC 5280 section 4.1), as the duration since 1970.
fn read_not_after(certificate: &[u8]) -> der::Result<Duration> {
    let mut certificate = sequence(&mut SliceReader::new(certificate)?)?;
    let mut tbs = sequence(&mut certificate)?;
    if Tag::peek(&tbs)? == (Tag::ContextSpecific { constructed: true, number: TagNumber(0) }) {
        tbs.decode::<AnyRef<'_>>()?; // version
    }
    tbs.decode::<AnyRef<'_>>()?; // serialNumber
    tbs.decode::<AnyRef<'_>>()?; // signature
    tbs.decode::<AnyRef<'_>>()?; // issuer
    let mut validity = sequence(&mut tbs)?;
    validity.decode::<AnyRef<'_>>()?; // notBefore
    let not_after: AnyRef<'_> = validity.decode()?;
    match not_after.tag() {
        Tag::UtcTime => Ok(not_after.decode_as::<UtcTime>()?.to_unix_duration()),
        _ => Ok(not_after.decode_as::<GeneralizedTime>()?.to_unix_duration()),
    }
}

/// Returns a reader for the content of the next SEQUENCE.
fn sequence<'a>(reader: &mut SliceReader<'a>) -> der::Result<SliceReader<'a>> {
    let any: AnyRef<'a> = reader.decode()?;
    any.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(any.value())
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn reads_utc_time_and_generalized_time() {
        for (pem, expected) in [
            (include_str!("../../../../tests/suite/keys/tls/rsa.crt.pem"), "2049-12-31T23:59:59Z"),
            (include_str!("../../../../tests/suite/keys/tls/p256.crt.pem"), "2126-01-01T00:00:00Z"),
        ] {
            let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            assert_eq!(not_after(&certificate), UnixMillis::from_rfc3339(expected));
        }
    }

    #[test]
    fn returns_none_for_truncated_certificate() {
        let pem = include_bytes!("../../../../tests/suite/keys/tls/p256.crt.pem");
        let whole = CertificateDer::from_pem_slice(pem).unwrap();
        for length in 0..whole.len() {
            assert_eq!(not_after(&CertificateDer::from(&whole[..length])), None, "{length}");
        }
    }
}
