//! The fields of a message.

use std::fmt;

use zeroize::Zeroizing;

/// The fields of a message in their order, with the case of their names.
///
/// Values may be secret, such as session tokens. They are zeroized on drop, and are absent from the Debug
/// output.
#[derive(Default)]
pub(crate) struct Fields(Vec<Field>);

struct Field {
    name: String,
    value: Zeroizing<Vec<u8>>,
}

impl Fields {
    /// Copies the fields of a parsed head.
    pub(super) fn parsed(headers: &[httparse::Header<'_>]) -> Self {
        let mut fields = Self::default();
        headers.iter().for_each(|header| fields.push(header.name, header.value));
        fields
    }

    /// Appends a field. The caller guarantees that name and value are valid.
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        let value = Zeroizing::new(value.to_vec());
        self.0.push(Field { name: name.to_owned(), value });
    }

    /// Returns the values of all fields with this name.
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        self.iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// Returns whether there is a field with this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// Returns the value of the field as text. Returns `None` if there is not exactly one such field, or if
    /// its value is not visible ASCII with spaces.
    pub(crate) fn single(&self, name: &str) -> Option<&str> {
        match self.values(name)[..] {
            [value] => visible(value),
            _ => None,
        }
    }

    /// Removes the fields with this name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|field| !field.name.eq_ignore_ascii_case(name));
    }

    /// Returns names and values in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|field| (field.name.as_str(), field.value.as_slice()))
    }

    /// Returns a message: a start line, the fields, the fields of `extra`, and the body.
    pub(crate) fn encode(
        &self,
        start_line: &str,
        extra: &[(&str, &str)],
        body: &[u8],
    ) -> Zeroizing<Vec<u8>> {
        let added = extra.iter().map(|(name, value)| (*name, value.as_bytes()));
        let fields = || self.iter().chain(added.clone());
        let length: usize = fields().map(|(name, value)| name.len() + value.len() + 4).sum();
        let total = start_line.len() + length + body.len() + 4;
        // A growing vector would leave copies of secrets behind.
        let mut message = Zeroizing::new(Vec::with_capacity(total));
        message.extend_from_slice(start_line.as_bytes());
        message.extend_from_slice(b"\r\n");
        for (name, value) in fields() {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                message.extend_from_slice(part);
            }
        }
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(body);
        message
    }
}

/// Returns `value` as text if it is visible ASCII with spaces.
fn visible(value: &[u8]) -> Option<&str> {
    let is_visible = value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    std::str::from_utf8(value).ok().filter(|_| is_visible)
}

impl fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|field| &field.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields_in_any_case_and_keeps_their_order() {
        let mut fields = Fields::default();
        fields.push("X-A", b"1");
        fields.push("b", b"\xff");
        fields.push("x-a", b"2");
        assert_eq!(fields.values("X-a"), [b"1", b"2"]);
        assert_eq!(
            (fields.single("x-a"), fields.single("b"), fields.single("c")),
            (None, None, None)
        );
        let encoded = fields.encode("POST / HTTP/1.1", &[("n", "v")], b"body");
        let expected = b"POST / HTTP/1.1\r\nX-A: 1\r\nb: \xff\r\nx-a: 2\r\nn: v\r\n\r\nbody";
        assert_eq!(encoded.as_slice(), expected);
        fields.remove("X-A");
        assert_eq!(fields.iter().count(), 1);
    }

    #[test]
    fn debug_output_contains_no_value() {
        let mut fields = Fields::default();
        fields.push("X-Amz-Security-Token", b"secret");
        assert_eq!(format!("{fields:?}"), r#"["X-Amz-Security-Token"]"#);
    }
}
