//! The protection of a connection by TLS.

/// The protection of a connection by TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportSecurity {
    /// A connection without TLS, which the parent instance and the network can read.
    NoTls,
    /// TLS that the enclave terminates, with a key that the enclave generated. Attestation documents bind the
    /// certificate authority that certifies this key.
    AttestedTls(TlsDetails),
    /// TLS that the enclave terminates, with a key from the configuration. Holders of the configuration also have
    /// this key.
    ProvidedTls(TlsDetails),
}

impl TransportSecurity {
    /// Returns whether the connection uses TLS that the enclave terminates.
    pub fn is_tls(self) -> bool {
        self.tls_details().is_some()
    }

    /// Returns the negotiated TLS parameters, if the connection uses TLS.
    pub(crate) const fn tls_details(self) -> Option<TlsDetails> {
        match self {
            Self::NoTls => None,
            Self::AttestedTls(details) | Self::ProvidedTls(details) => Some(details),
        }
    }
}

/// The negotiated TLS parameters. Their names are those that CloudTrail uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsDetails {
    /// The protocol version, such as `TLSv1.3`.
    pub version: &'static str,
    /// The IANA name of the cipher suite, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
}
