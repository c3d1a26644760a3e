//! Finds the secrets and the file names in a configuration file by the names of their keys.
//!
//! This module parses only TOML and does not validate values. It can therefore also read a public archive, whose
//! secrets are empty, and therefore invalid.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Keys whose value is a secret, in any table. No table uses these names for other values.
pub(super) const SECRET_KEYS: [&str; 2] = ["secret_access_key", "session_token"];

/// Keys whose value is a list of file names.
const FILE_LIST_KEYS: [&str; 2] = ["anchors", "policies"];

/// Keys whose value is a file name.
const FILE_KEYS: [&str; 2] = ["certificate", "trust_anchor_certificate"];

/// Keys whose value is the name of a secret file.
const SECRET_FILE_KEYS: [(&str, SecretFileKind); 2] =
    [("private_key", SecretFileKind::PrivateKey), ("pin_file", SecretFileKind::Pin)];

/// The kind of a secret file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretFileKind {
    /// A private key for TLS, in PEM.
    PrivateKey,
    /// The PIN of the user of a PKCS#11 token.
    Pin,
}

/// The fields of a configuration file that name files or contain secrets.
#[derive(Default)]
pub(super) struct BundleFields<'a> {
    /// Names of the files that are not secret.
    pub(super) files: Vec<&'a str>,
    /// Names and kinds of the secret files.
    pub(super) secret_files: Vec<(&'a str, SecretFileKind)>,
    /// The secrets in the order of the text. The byte range of a secret includes the quotes of its TOML string.
    pub(super) secrets: Vec<(Range<usize>, &'a str)>,
}

/// The number of fields of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldCounts {
    pub(super) secrets: usize,
    pub(super) files: usize,
    pub(super) secret_files: usize,
}

impl<'a> BundleFields<'a> {
    pub(super) fn find(table: &'a DeTable<'_>) -> Self {
        let mut contents = Self::default();
        contents.add_table(table);
        // The table is sorted by key, but the secrets must be in the order of the text.
        contents.secrets.sort_by_key(|(place, _)| place.start);
        contents
    }

    pub(super) fn counts(&self) -> FieldCounts {
        FieldCounts {
            secrets: self.secrets.len(),
            files: self.files.len(),
            secret_files: self.secret_files.len(),
        }
    }

    fn add_table(&mut self, table: &'a DeTable<'_>) {
        for (key, value) in table {
            let key = key.get_ref().as_ref();
            match value.get_ref() {
                DeValue::String(secret) if SECRET_KEYS.contains(&key) => {
                    self.secrets.push((value.span(), secret));
                }
                DeValue::String(file) if FILE_KEYS.contains(&key) => self.files.push(file),
                DeValue::String(file) if let Some(secret) = secret_file_kind(key) => {
                    self.secret_files.push((file, secret));
                }
                DeValue::Array(files) if FILE_LIST_KEYS.contains(&key) => {
                    self.files.extend(files.iter().filter_map(|file| file.get_ref().as_str()));
                }
                _ => self.add_value(value),
            }
        }
    }

    fn add_value(&mut self, value: &'a Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(table),
            DeValue::Array(values) => values.iter().for_each(|value| self.add_value(value)),
            _ => {}
        }
    }
}

fn secret_file_kind(key: &str) -> Option<SecretFileKind> {
    SECRET_FILE_KEYS.iter().find(|(known, _)| *known == key).map(|(_, secret)| *secret)
}

/// Returns `text` with `""` in place of each secret.
pub(super) fn without_secrets(text: &str, secrets: &[(Range<usize>, &str)]) -> String {
    let mut public = String::with_capacity(text.len());
    let mut rest = 0;
    for (place, _) in secrets {
        public += text.get(rest..place.start).unwrap_or_default();
        public += "\"\"";
        rest = place.end;
    }
    public += text.get(rest..).unwrap_or_default();
    public
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> (String, Vec<String>, Vec<String>) {
        let table = DeTable::parse(text).unwrap();
        let contents = BundleFields::find(table.get_ref());
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let secrets = contents.secrets.iter().map(|(_, secret)| *secret).collect();
        (without_secrets(text, &contents.secrets), owned(secrets), owned(contents.files))
    }

    #[test]
    fn redacts_every_secret_and_nothing_else() {
        let text = "# a\n[[credential]]\nsecret_access_key = \"b\\\"c\" # d\nsession_token='e'\n\
                    access_key_id = \"f\"\n[[credential]]\nsecret_access_key = '''\ng'''\n\
                    [x]\ncredential = [{ session_token = \"\"\"h\"\"\", y = 1 }]\n";
        let (public, secrets, _) = public(text);
        assert_eq!(
            public,
            "# a\n[[credential]]\nsecret_access_key = \"\" # d\nsession_token=\"\"\n\
             access_key_id = \"f\"\n[[credential]]\nsecret_access_key = \"\"\n\
             [x]\ncredential = [{ session_token = \"\", y = 1 }]\n"
        );
        assert_eq!(secrets, ["b\"c", "e", "g", "h"]);
    }

    #[test]
    fn redaction_keeps_text_without_secrets() {
        for text in ["", "# secret_access_key = \"a\"\n", "session_token = \"\"\r\n[a]\nb = 'ü'"] {
            assert_eq!(public(text).0, text);
        }
    }

    #[test]
    fn finds_named_files_in_table_order() {
        let text = "[trust]\nanchors = ['r.pem']\n[[credential]]\npolicies = ['a', 'b/c']\n\
                    [[credential]]\npolicies = [\"a\", 7]\n[auth]\nregion = 'policies'\n";
        assert_eq!(public(text).2, ["a", "b/c", "a", "r.pem"]);
    }

    #[test]
    fn separates_secret_files_from_public_files() {
        let text = "[tls]\ncertificate = 'a.crt'\nprivate_key = \"a.key\"\n\
                    [b]\ntls = { private_key = 'b.key', anchors = ['r.pem'] }\n\
                    [c]\nprivate_key = ['c.key']\ncertificate = 7\n";
        let table = DeTable::parse(text).unwrap();
        let contents = BundleFields::find(table.get_ref());
        let key = SecretFileKind::PrivateKey;
        assert_eq!(contents.secret_files, [("b.key", key), ("a.key", key)]);
        assert_eq!(contents.files, ["r.pem", "a.crt"]);
        assert_eq!(contents.counts(), FieldCounts { secrets: 0, files: 2, secret_files: 2 });
        // The names of secret files are not secret.
        assert_eq!(public(text).0, text);
        let text = "[[key_store]]\npin_file = 'pin'\ntrust_anchor_certificate = 'ca.crt'\n";
        let table = DeTable::parse(text).unwrap();
        let contents = BundleFields::find(table.get_ref());
        assert_eq!(contents.secret_files, [("pin", SecretFileKind::Pin)]);
        assert_eq!(contents.files, ["ca.crt"]);
    }
}
