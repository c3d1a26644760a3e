//! Parsers of option values.

use std::str::FromStr;

use attestation::time::UnixMillis;
use attestation::{MAX_PCRS, MaxAge, PcrValue};

/// A PCR and its value, in the form `N=HEX`.
#[derive(Clone, Debug)]
pub(crate) struct Pcr {
    pub(crate) index: u8,
    pub(crate) value: PcrValue,
}

impl FromStr for Pcr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, value) =
            text.split_once('=').ok_or("expected N=HEX, for example 0=00..ff (48 bytes)")?;
        let index = index
            .parse()
            .ok()
            .filter(|index| usize::from(*index) < MAX_PCRS)
            .ok_or_else(|| format!("PCR {index:?} is not a number from 0 to 31"))?;
        let value = decode_hex(value)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or("the value is not 48 bytes in hexadecimal (96 digits)")?;
        Ok(Self { index, value })
    }
}

/// Parses `http://HOST:PORT` or `https://HOST:PORT`.
pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("expected a URL: write http://HOST:PORT or https://HOST:PORT".to_owned()),
    }
}

/// Decodes hexadecimal digits without a prefix.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let all = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    const_hex::decode(text).ok().filter(|_| all)
}

/// Bytes in hexadecimal.
#[derive(Clone, Debug)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        decode_hex(text).map(Self).ok_or_else(|| "expected pairs of hexadecimal digits".to_owned())
    }
}

/// The time at which a document is verified.
#[derive(Clone, Copy, Debug)]
pub(crate) enum VerificationTime {
    Now,
    Document,
    Given(UnixMillis),
}

impl FromStr for VerificationTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Self::Now),
            "document" => Ok(Self::Document),
            moment => UnixMillis::from_rfc3339(moment).map(Self::Given).ok_or_else(|| {
                "expected now, document, or a time such as 2026-02-03T10:12:02Z".to_owned()
            }),
        }
    }
}

/// Parses `SECONDS` or `chain`.
pub(crate) fn max_age(text: &str) -> Result<MaxAge, String> {
    match text {
        "chain" => Ok(MaxAge::Chain),
        seconds => seconds
            .parse()
            .map(MaxAge::Seconds)
            .map_err(|_| "expected a number of seconds, or chain".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_pcr_option() {
        let pcr: Pcr = format!("31={}", "aB".repeat(48)).parse().unwrap();
        assert_eq!((pcr.index, pcr.value), (31, [0xab; 48]));
        for text in ["0", "32=00", "-1=00", "0=00", "0=zz"] {
            assert!(text.parse::<Pcr>().is_err(), "{text}");
        }
    }

    #[test]
    fn parses_hex_without_prefix() {
        assert_eq!("01fF".parse::<Hex>().unwrap().0, [1, 0xff]);
        assert!("".parse::<Hex>().unwrap().0.is_empty());
        for text in ["0x01", "1", "zz", " 01"] {
            assert!(text.parse::<Hex>().is_err(), "{text}");
        }
    }

    #[test]
    fn parses_http_and_https_urls() {
        for text in ["http://h:1", "https://h"] {
            assert_eq!(endpoint(text), Ok(text.to_owned()));
        }
        for text in ["h:1", "http://", "https://", "ftp://h"] {
            assert!(endpoint(text).unwrap_err().contains("http://HOST:PORT"), "{text}");
        }
    }

    #[test]
    fn parses_verification_time_and_max_age() {
        assert!(matches!("now".parse(), Ok(VerificationTime::Now)));
        assert!(
            matches!("1970-01-01T00:00:01Z".parse(), Ok(VerificationTime::Given(at)) if at.as_secs() == 1)
        );
        assert!("yesterday".parse::<VerificationTime>().is_err());
        assert_eq!(max_age("7"), Ok(MaxAge::Seconds(7)));
        assert_eq!(max_age("chain"), Ok(MaxAge::Chain));
        assert!(max_age("-1").is_err());
    }
}
