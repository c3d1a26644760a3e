use std::ops::Deref;
use std::str::FromStr;

use attested_recipient::verified_connection::Upstream;

/// A URL of the form `https://HOST[:PORT]` without a path.
#[derive(Clone, Debug)]
pub(super) struct Target(Upstream);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upstream = text.parse().ok().filter(Upstream::is_https);
        let expected = || "expected https://HOST[:PORT], without a path".to_owned();
        upstream.map(Self).ok_or_else(expected)
    }
}

impl Target {
    pub(super) fn url(&self) -> String {
        self.0.to_string()
    }
}

impl Deref for Target {
    type Target = Upstream;

    fn deref(&self) -> &Upstream {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_urls_without_tls() {
        assert_eq!("https://h:8443/".parse::<Target>().unwrap().url(), "https://h:8443");
        for text in ["", "http://localhost", "https://h/path"] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains("https://HOST[:PORT]"), "{text}: {error}");
        }
    }
}
