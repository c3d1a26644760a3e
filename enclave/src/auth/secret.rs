//! Secret text, which is never printed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use transport::limits::MAX_HEADER_LENGTH;
use zeroize::Zeroizing;

/// A secret access key or a session token. The text is never printed, and is wiped on drop.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Creates a secret from its text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns whether every client can send the secret unchanged as a header value: at most 8192 bytes of printable
    /// ASCII, without spaces at the ends. Parsers trim spaces at the ends, and clients encode other characters in
    /// different ways.
    pub fn is_valid_header_value(&self) -> bool {
        let is_visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        // The maximum length is half of the limit for all headers together.
        self.0.len() <= MAX_HEADER_LENGTH / 2
            && self.0.trim_ascii().len() == self.0.len()
            && self.0.bytes().all(is_visible)
    }

    /// Returns the secret text.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Deserializes a non-empty string. Errors omit the value, because a value of another type may be a secret
    /// without quotes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(SecretVisitor)
    }
}

const EXPECTED: &str = "a secret must be a non-empty string";

struct SecretVisitor;

/// Implements visitor methods whose errors omit the rejected value. The errors of the default methods contain the
/// value.
macro_rules! reject {
    ($($visit:ident($($value:ty)?);)*) => {
        $(fn $visit<E: Error>(self $(, _: $value)?) -> Result<Secret, E> {
            Err(E::custom(EXPECTED))
        })*
    };
}

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a non-empty string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Secret, E> {
        if text.is_empty() { Err(E::custom(EXPECTED)) } else { Ok(Secret::new(text)) }
    }

    // All other methods of the trait, except those for narrower integers and for borrowed or owned bytes. The
    // defaults of those methods call the methods here.
    reject! {
        visit_bool(bool);
        visit_i64(i64);
        visit_i128(i128);
        visit_u64(u64);
        visit_u128(u128);
        visit_f64(f64);
        visit_char(char);
        visit_bytes(&[u8]);
        visit_none();
        visit_unit();
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<Secret, D::Error> {
        Err(D::Error::custom(EXPECTED))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Secret, D::Error> {
        Err(D::Error::custom(EXPECTED))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
        Err(A::Error::custom(EXPECTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
        Err(A::Error::custom(EXPECTED))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
        Err(A::Error::custom(EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::{
        BorrowedBytesDeserializer, BytesDeserializer, Error as ValueError, I128Deserializer,
        U128Deserializer,
    };

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Table {
        secret: Secret,
    }

    fn from_toml(value: &str) -> Result<Table, toml::de::Error> {
        toml::from_str(&format!("secret = {value}\n"))
    }

    #[test]
    fn debug_of_secret_is_redacted() {
        let table = from_toml("\"wJalr\"").unwrap();
        assert_eq!(table.secret.expose(), "wJalr");
        assert_eq!(format!("{table:?}"), "Table { secret: Secret(..) }");
    }

    #[test]
    fn rejects_other_toml_types_without_repeating_them() {
        for value in
            ["424242", "4242.42", "true", "1979-05-27", "[4242]", "{ key4242 = 4242 }", "''"]
        {
            assert_eq!(from_toml(value).unwrap_err().message(), EXPECTED, "{value}");
        }
    }

    #[test]
    fn rejects_other_serde_types_without_repeating_them() {
        fn assert_rejected<'de>(deserializer: impl Deserializer<'de, Error = ValueError>) {
            assert_eq!(Secret::deserialize(deserializer).unwrap_err().to_string(), EXPECTED);
        }
        assert_rejected(42i8.into_deserializer());
        assert_rejected(42i64.into_deserializer());
        assert_rejected(I128Deserializer::new(42));
        assert_rejected(42u8.into_deserializer());
        assert_rejected(42u64.into_deserializer());
        assert_rejected(U128Deserializer::new(42));
        assert_rejected(4.2f32.into_deserializer());
        assert_rejected('4'.into_deserializer());
        assert_rejected(().into_deserializer());
        assert_rejected(BytesDeserializer::new(b"42"));
        assert_rejected(BorrowedBytesDeserializer::new(b"42"));
        assert_rejected(vec!["42"].into_deserializer());
        assert_rejected(serde::de::value::MapDeserializer::new([("42", "42")].into_iter()));
    }
}
