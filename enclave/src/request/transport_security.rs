//! The protection of a connection.

/// The protection of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportSecurity {
    /// A connection without TLS, which the parent instance and the network can read.
    Plaintext,
    /// TLS that ends in the enclave, under a key that the enclave generated and attestation documents bind.
    AttestedTls(TlsDetails),
    /// TLS that ends in the enclave, under a key from the configuration, which others hold as well.
    ProvidedTls(TlsDetails),
}

impl TransportSecurity {
    /// Returns whether the connection uses TLS that ends in the enclave.
    pub fn is_tls(self) -> bool {
        self.tls_details().is_some()
    }

    /// Returns the negotiated TLS parameters, if the connection uses TLS.
    pub(crate) const fn tls_details(self) -> Option<TlsDetails> {
        match self {
            Self::Plaintext => None,
            Self::AttestedTls(details) | Self::ProvidedTls(details) => Some(details),
        }
    }
}

/// The negotiated TLS parameters, with the names that CloudTrail uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsDetails {
    /// The protocol version, such as `TLSv1.3`.
    pub version: &'static str,
    /// The IANA name of the cipher suite, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
}
