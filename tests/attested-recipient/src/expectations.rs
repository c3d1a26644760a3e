//! The requirements on an enclave.

use attestation::receipt::AllowedSources;
use attestation::{AnchorError, Claims, MeasurementSets, Production, TrustAnchors};
use simulator::ROOT_COMMON_NAME;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// The requirements on an enclave: the root of its document, its measurements, and the sources of its random bytes.
#[derive(Debug)]
pub struct Expectations {
    anchors: TrustAnchors<Production>,
    /// `None` only if simulators are accepted.
    sets: Option<MeasurementSets>,
    accepts_simulators: bool,
    sources: AllowedSources,
}

impl Expectations {
    /// Expects an enclave that matches one of `sets`, under AWS's root of the commercial partition.
    pub fn new(sets: MeasurementSets) -> Self {
        Self {
            anchors: TrustAnchors::aws_nitro(),
            sets: Some(sets),
            accepts_simulators: false,
            sources: AllowedSources::nsm(),
        }
    }

    /// Expects any enclave or simulator. This proves nothing: a simulator signs any document for any caller, and the
    /// measurements are not compared. For tests only.
    pub fn simulator() -> Self {
        Self {
            anchors: TrustAnchors::aws_nitro(),
            sets: None,
            accepts_simulators: true,
            sources: AllowedSources::nsm(),
        }
    }

    /// Also accepts simulators that match one of the sets. A simulator signs any document for any caller, with any
    /// measurements. For tests only.
    #[must_use]
    pub fn accept_simulators(self) -> Self {
        Self { accepts_simulators: true, ..self }
    }

    /// Adds each certificate of a PEM file as a root.
    ///
    /// # Errors
    /// If `pem` contains no certificate, or a certificate that is not suitable as a root.
    pub fn with_root_pem(mut self, pem: &[u8]) -> Result<Self, AnchorError> {
        self.anchors.add_pem(pem)?;
        Ok(self)
    }

    /// Replaces the roots.
    #[must_use]
    pub fn with_anchors(self, anchors: TrustAnchors<Production>) -> Self {
        Self { anchors, ..self }
    }

    /// Accepts random bytes of these sources. By default, only those of the NSM are accepted.
    #[must_use]
    pub fn with_sources(self, sources: AllowedSources) -> Self {
        Self { sources, ..self }
    }

    /// Returns the accepted sources of random bytes.
    pub const fn sources(&self) -> &AllowedSources {
        &self.sources
    }

    /// Returns the roots.
    pub const fn anchors(&self) -> &TrustAnchors<Production> {
        &self.anchors
    }

    /// Returns the sets of measurements. Returns `None` if the measurements are not compared, because a simulator is
    /// expected.
    pub const fn sets(&self) -> Option<&MeasurementSets> {
        self.sets.as_ref()
    }

    /// Returns whether simulators are accepted.
    pub const fn accepts_simulators(&self) -> bool {
        self.accepts_simulators
    }
}

/// Returns whether the root certificate in the document has a simulator's common name.
#[doc(hidden)]
pub fn names_simulator_root(claims: &Claims<'_>) -> bool {
    let Some(root) = claims.cabundle().next() else { return false };
    X509Certificate::from_der(root).is_ok_and(|(_, root)| {
        let mut names = root.subject().iter_common_name();
        names.any(|name| name.as_str() == Ok(ROOT_COMMON_NAME))
    })
}
