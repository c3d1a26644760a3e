//! The address of a service, and the way to it.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;
use thiserror::Error;
use transport::Endpoint;

/// A service: its URL, and the endpoint that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    scheme: Scheme,
    /// The part `HOST[:PORT]` of the URL.
    authority: String,
    host: ServerName<'static>,
    port: u16,
    endpoint: Endpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A text is not the URL of a service.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected https://HOST[:PORT] or http://HOST[:PORT], without a path")]
pub struct InvalidUpstream;

impl FromStr for Upstream {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, InvalidUpstream> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            _ => return Err(InvalidUpstream),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split(authority, scheme).ok_or(InvalidUpstream)?;
        let host = ServerName::try_from(host.to_owned()).map_err(|_| InvalidUpstream)?;
        let name = host.to_str();
        let address = match name.contains(':') {
            true => format!("[{name}]:{port}"),
            false => format!("{name}:{port}"),
        };
        let endpoint = Endpoint::Tcp(address);
        Ok(Self { scheme, authority: authority.to_owned(), host, port, endpoint })
    }
}

/// Returns the host, without the brackets of an IPv6 address, and the port.
fn split(authority: &str, scheme: Scheme) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.contains(':').then_some((host, port))?
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if port.is_empty() {
        return Some((host, scheme.default_port()));
    }
    let digits = port.strip_prefix(':')?;
    let port =
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    (port > 0).then_some((host, port))
}

impl Upstream {
    /// Connects to `endpoint` instead of the URL's host and port. The URL still determines TLS and the Host
    /// field.
    #[must_use]
    pub fn reached_by(self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self }
    }

    /// Returns the endpoint to connect to.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns whether connections use TLS.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Returns the value of the Host field.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the name or the address in the URL.
    pub const fn host(&self) -> &ServerName<'static> {
        &self.host
    }

    /// Returns the port in the URL, or the default port of its scheme.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// Displays the URL without a path.
impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme.name(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_and_addresses_with_optional_port() {
        for (text, host, port, endpoint) in [
            ("https://localhost", "localhost", 443, "tcp:localhost:443"),
            ("http://localhost", "localhost", 80, "tcp:localhost:80"),
            ("https://enclave.example:8443/", "enclave.example", 8443, "tcp:enclave.example:8443"),
            ("http://127.0.0.1:1", "127.0.0.1", 1, "tcp:127.0.0.1:1"),
            ("https://[::1]", "::1", 443, "tcp:[::1]:443"),
            ("https://[2001:db8::1]:65535/", "2001:db8::1", 65_535, "tcp:[2001:db8::1]:65535"),
        ] {
            let upstream: Upstream = text.parse().unwrap();
            assert_eq!((&*upstream.host().to_str(), upstream.port()), (host, port), "{text}");
            assert_eq!(upstream.to_string(), text.trim_end_matches('/'));
            assert_eq!(upstream.endpoint().to_string(), endpoint);
            assert_eq!(upstream.is_https(), text.starts_with("https"));
        }
    }

    #[test]
    fn another_endpoint_leaves_the_url_unchanged() {
        let upstream: Upstream = "https://kms.example:8443".parse().unwrap();
        let endpoint: Endpoint = "vsock:16:5000".parse().unwrap();
        let upstream = upstream.reached_by(endpoint.clone());
        assert_eq!(upstream.endpoint(), &endpoint);
        assert_eq!(upstream.authority(), "kms.example:8443");
    }

    #[test]
    fn rejects_other_urls() {
        for text in [
            "",
            "localhost",
            "ftp://localhost",
            "HTTPS://localhost",
            "https://",
            "https:///",
            "https://:443",
            "https://h:",
            "http://h:0",
            "https://h:65536",
            "https://h:+1",
            "https://h:1:2",
            "https://::1",
            "https://[::1",
            "https://[::1]1",
            "https://[h]",
            "https://[127.0.0.1]",
            "http://h/path",
            "https://h//",
            "https://h?query",
            "https://h#fragment",
            "https://user@h",
            "https://h h",
            " https://h",
        ] {
            assert_eq!(text.parse::<Upstream>(), Err(InvalidUpstream), "{text}");
        }
    }
}
