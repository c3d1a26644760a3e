//! Configurations of services. The files are in a temporary folder, and the code of the binaries
//! reads them.

use std::fs;

use enclave::config::{Config, ConfigError, Profile, Settings};

/// An `enclave.toml` with its policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    profile: Profile,
    toml: String,
    /// The file name and the content of each policy.
    policies: Vec<(String, String)>,
    /// The lines of the table `[entropy]`.
    entropy: String,
}

/// The region in the signatures of requests to [`Configuration::signed`].
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// A credential that may call every operation.
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
/// A credential that may call every operation. Its requests contain [`SESSION_TOKEN`].
pub(crate) const SESSION_KEY_ID: &str = "AKIDSESSION";
pub(crate) const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE//token+==";
const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;

/// A line that disables prefetching, so that each entropy draw belongs to a request.
const NO_PREFETCH: &str = "prefetch = 0\n";

impl Configuration {
    pub(crate) fn new(toml: impl Into<String>) -> Self {
        Self {
            profile: Profile::Production,
            toml: toml.into(),
            policies: Vec::new(),
            entropy: NO_PREFETCH.to_owned(),
        }
    }

    /// Creates a configuration that requires signatures and allows plaintext responses.
    pub(crate) fn signed() -> Self {
        Self::new(format!(
            "[auth]\nmode = \"sigv4\"\nregion = \"{REGION}\"\n[recipient]\nplaintext = \"always\"\n"
        ))
        .credential(ACCESS_KEY_ID, "", ALLOW)
        .credential(
            SESSION_KEY_ID,
            &format!("session_token = \"{SESSION_TOKEN}\"\n"),
            ALLOW,
        )
    }

    /// Creates a configuration with the development defaults, without authentication.
    pub(crate) fn none() -> Self {
        Self::new("").with_development_profile()
    }

    /// Sets the lines of the table `[entropy]` after the line that disables prefetching.
    pub(crate) fn with_entropy(self, lines: &str) -> Self {
        Self { entropy: [NO_PREFETCH, lines].concat(), ..self }
    }

    pub(crate) fn with_development_profile(self) -> Self {
        Self { profile: Profile::Development, ..self }
    }

    /// Adds a credential with its own principal and its own policy. The names of both contain the
    /// access key id.
    pub(crate) fn credential(mut self, access_key_id: &str, lines: &str, policy: &str) -> Self {
        let principal = principal(access_key_id);
        self.toml += &format!(
            "[[credential]]\naccess_key_id = \"{access_key_id}\"\nsecret_access_key = \"{SECRET}\"\n\
             principal = \"{principal}\"\npolicies = [\"{access_key_id}.json\"]\n{lines}"
        );
        self.policies.push((format!("{access_key_id}.json"), policy.to_owned()));
        self
    }

    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        self.read().0
    }

    /// Loads the configuration. Returns the result and the folder that contains the files.
    fn read(&self) -> (Result<Settings, ConfigError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("enclave.toml");
        // The tables `[tls]` and `[entropy]` are last, so that the line numbers of the other tables
        // do not depend on them.
        let last = ["\n[tls]\nmode = \"off\"\n[entropy]\n", &self.entropy].concat();
        fs::write(&path, [&self.toml, last.as_str()].concat()).unwrap();
        fs::write(folder.path().join("salt"), [7; 32]).unwrap();
        for (name, json) in &self.policies {
            fs::write(folder.path().join(name), json).unwrap();
        }
        let settings = Config::load(Some(&path)).and_then(|config| config.settings(self.profile));
        (settings, folder.path().display().to_string())
    }

    /// Asserts that loading the configuration fails with the error `text`. `text` contains neither
    /// the file name at its start nor the folder of the policies.
    pub(crate) fn assert_invalid(&self, expected: &str, context: &str) {
        let (settings, folder) = self.read();
        let error = settings
            .err()
            .unwrap_or_else(|| panic!("{context}: the configuration is valid"))
            .to_string();
        let error = error.replace(&format!("{folder}/"), "");
        assert_eq!(error.strip_prefix("enclave.toml: "), Some(expected), "{context}: {error}");
    }
}

/// Returns the principal of an access key of [`Configuration::credential`].
pub(crate) fn principal(access_key_id: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{access_key_id}")
}
