//! The protection of the connection that a request came over.

/// What a request came over, and its answer goes back by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportSecurity {
    /// What the parent instance and the network can read.
    Plaintext,
    /// TLS that ends here, under keys that were made here and that attestation documents bind.
    AttestedTls(TlsDetails),
    /// TLS that ends here, under a key of the configuration, which others hold as well.
    ProvidedTls(TlsDetails),
}

impl TransportSecurity {
    /// Whether it is TLS that ends here.
    pub fn is_tls(self) -> bool {
        self.tls_details().is_some()
    }

    /// Returns what was agreed on, of TLS.
    pub(crate) const fn tls_details(self) -> Option<TlsDetails> {
        match self {
            Self::Plaintext => None,
            Self::AttestedTls(details) | Self::ProvidedTls(details) => Some(details),
        }
    }
}

/// What was agreed on, as CloudTrail names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsDetails {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// As IANA names it, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
}
