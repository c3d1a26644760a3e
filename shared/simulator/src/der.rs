//! A writer for DER (X.690).
//!
//! Certificate libraries write only valid certificates. This writer can also write the invalid certificates
//! that tests need.

use attestation::time::UnixMillis;

/// Object identifiers, as the content of an OBJECT IDENTIFIER.
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub mod oid {
    pub const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    pub const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    pub const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    pub const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    pub const COUNTRY: &[u8] = &[0x55, 0x04, 0x06];
    pub const STATE: &[u8] = &[0x55, 0x04, 0x08];
    pub const LOCALITY: &[u8] = &[0x55, 0x04, 0x07];
    pub const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
    pub const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 0x04, 0x0b];
    pub const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
    pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
}

/// 2050-01-01T00:00:00Z, from which X.509 uses GeneralizedTime (RFC 5280 section 4.1.2.5).
const YEAR_2050: UnixMillis = UnixMillis::from_secs(2_524_608_000);

/// Returns one element, with its length in the shortest form.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let bytes = length.to_be_bytes();
    let mut out = vec![tag];
    if length < 0x80 {
        out.extend(bytes.last());
    } else {
        let significant = bytes.iter().skip_while(|byte| **byte == 0).copied();
        let significant: Vec<u8> = significant.collect();
        out.extend(u8::try_from(significant.len()).map(|count| 0x80 | count));
        out.extend(significant);
    }
    out.extend(content);
    out
}

/// Returns a SEQUENCE of elements.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// Returns an OBJECT IDENTIFIER with this content.
pub fn object_identifier(content: &[u8]) -> Vec<u8> {
    tlv(0x06, content)
}

/// Returns an AlgorithmIdentifier without parameters.
pub fn algorithm(identifier: &[u8]) -> Vec<u8> {
    sequence(&[&object_identifier(identifier)])
}

/// Returns a positive INTEGER from big-endian bytes.
pub fn integer(number: &[u8]) -> Vec<u8> {
    let significant: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    let needs_zero = significant.first().is_none_or(|byte| byte & 0x80 != 0);
    let prefix: &[u8] = if needs_zero { &[0] } else { &[] };
    tlv(0x02, &[prefix, &significant].concat())
}

/// Returns a BIT STRING. `unused_bits` is the number of unused bits of its last byte.
pub fn bit_string(unused_bits: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[unused_bits], content].concat())
}

/// Returns a Name with one attribute per RelativeDistinguishedName, in the order of `attributes`.
pub fn name(attributes: &[(&[u8], &str)]) -> Vec<u8> {
    let relative_names = attributes.iter().map(|(kind, value)| {
        // countryName must be a PrintableString, and the other attributes may be a PrintableString.
        let value = tlv(0x13, value.as_bytes());
        tlv(0x31, &sequence(&[&object_identifier(kind), &value]))
    });
    tlv(0x30, &relative_names.collect::<Vec<_>>().concat())
}

/// Returns a UTCTime or a GeneralizedTime, in whole seconds.
pub fn time(moment: UnixMillis) -> Vec<u8> {
    let text = UnixMillis::from_secs(moment.as_secs()).to_string();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).chain([b'Z']).collect();
    if moment < YEAR_2050 {
        tlv(0x17, digits.get(2..).unwrap_or_default())
    } else {
        tlv(0x18, &digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_lengths_in_their_shortest_form() {
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
    }

    #[test]
    fn writes_positive_integers() {
        assert_eq!(integer(&[0]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn writes_utc_time_and_generalized_time() {
        let utc = time(UnixMillis::from_rfc3339("2025-11-10T17:20:10.812Z").unwrap());
        assert_eq!(utc, [&[0x17, 13], &b"251110172010Z"[..]].concat());
        let generalized = time(UnixMillis::from_rfc3339("2050-01-01T00:00:00Z").unwrap());
        assert_eq!(generalized, [&[0x18, 15], &b"20500101000000Z"[..]].concat());
    }
}
