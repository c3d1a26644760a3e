use std::str::FromStr;

use rustls::pki_types::ServerName;

const HTTPS_PORT: u16 = 443;

/// A URL of the form `https://HOST[:PORT]` without a path.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The part `HOST[:PORT]` of the argument.
    authority: String,
    host: ServerName<'static>,
    port: u16,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected https://HOST[:PORT], without a path".to_owned();
        let rest = text.strip_prefix("https://").ok_or_else(expected)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split(authority).ok_or_else(expected)?;
        let host = ServerName::try_from(host.to_owned()).map_err(|_| expected())?;
        Ok(Self { authority: authority.to_owned(), host, port })
    }
}

/// Returns the host, without the brackets of an IPv6 address, and the port.
fn split(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.contains(':').then_some((host, port))?
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if port.is_empty() {
        return Some((host, HTTPS_PORT));
    }
    let digits = port.strip_prefix(':')?;
    let port =
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    (port > 0).then_some((host, port))
}

impl Target {
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.authority)
    }

    /// Returns the value of the Host header.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the name or address that the server's certificate should contain.
    pub(super) fn host(&self) -> &ServerName<'static> {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_and_addresses_with_optional_port() {
        for (text, host, port) in [
            ("https://localhost", "localhost", 443),
            ("https://enclave.example:8443/", "enclave.example", 8443),
            ("https://127.0.0.1:1", "127.0.0.1", 1),
            ("https://[::1]", "::1", 443),
            ("https://[2001:db8::1]:65535/", "2001:db8::1", 65_535),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((&*target.host().to_str(), target.port()), (host, port), "{text}");
            assert_eq!(target.url(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn rejects_other_urls() {
        for text in [
            "",
            "localhost",
            "http://localhost",
            "HTTPS://localhost",
            "https://",
            "https:///",
            "https://:443",
            "https://h:",
            "https://h:0",
            "https://h:65536",
            "https://h:+1",
            "https://h:1:2",
            "https://::1",
            "https://[::1",
            "https://[::1]1",
            "https://[h]",
            "https://[127.0.0.1]",
            "https://h/path",
            "https://h//",
            "https://h?query",
            "https://h#fragment",
            "https://user@h",
            "https://h h",
            " https://h",
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains("https://HOST[:PORT]"), "{text}: {error}");
        }
    }
}
