//! The requirements that an enclave must meet.

use attestation::receipt::{AllowedSources, ReceiptError, VerifiedIdentity};
use attestation::{
    Claims, ClockReading, MeasurementSets, Production, TrustAnchors, UntrustedDocument,
    UnverifiedDocument,
};
use simulator::ROOT_COMMON_NAME;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// The requirements that an enclave and its responses must meet.
#[derive(Debug)]
pub struct Expectations {
    anchors: TrustAnchors<Production>,
    sets: Option<MeasurementSets>,
    accepts_simulators: bool,
    sources: AllowedSources,
}

/// The result of the verification of a document.
pub(super) enum Verdict {
    /// The document passed.
    Verified(Box<VerifiedIdentity>),
    /// The document names a simulator's root, and simulators are accepted. The root that the service serves
    /// decides.
    NeedsSimulatorRoot,
    /// The document names a simulator's root, and simulators are rejected.
    Simulator,
}

impl Expectations {
    /// Accepts enclaves whose documents verify under `anchors` and match one of `sets`.
    pub fn new(anchors: TrustAnchors<Production>, sets: MeasurementSets) -> Self {
        let sources = AllowedSources::nsm();
        Self { anchors, sets: Some(sets), accepts_simulators: false, sources }
    }

    /// Also accepts simulators, which prove nothing. Without `sets`, the measurements are not compared.
    pub fn accepting_simulators(
        anchors: TrustAnchors<Production>,
        sets: Option<MeasurementSets>,
    ) -> Self {
        Self { anchors, sets, accepts_simulators: true, sources: AllowedSources::nsm() }
    }

    /// Accepts random bytes of these sources.
    #[must_use]
    pub fn with_sources(self, sources: AllowedSources) -> Self {
        Self { sources, ..self }
    }

    /// Returns whether simulators are accepted.
    pub const fn accepts_simulators(&self) -> bool {
        self.accepts_simulators
    }

    pub(super) const fn sources(&self) -> &AllowedSources {
        &self.sources
    }

    /// Verifies a document that was just received.
    pub(super) fn verify(
        &self,
        document: Vec<u8>,
        now: ClockReading,
    ) -> Result<Verdict, ReceiptError> {
        let parsed = UnverifiedDocument::parse(document.clone())?;
        let is_simulated = names_simulator_root(&parsed.dangerous_unverified_claims());
        let verified =
            VerifiedIdentity::verify_live(document, &self.anchors, self.sets.as_ref(), now);
        // The roots that the user adds may contain a simulator's root, so a document that verifies may come
        // from a simulator.
        match verified {
            Ok(_) | Err(ReceiptError::Untrusted(UntrustedDocument::UnknownRoot))
                if is_simulated && !self.accepts_simulators =>
            {
                Ok(Verdict::Simulator)
            }
            Err(ReceiptError::Untrusted(UntrustedDocument::UnknownRoot)) if is_simulated => {
                Ok(Verdict::NeedsSimulatorRoot)
            }
            verified => verified.map(Box::new).map(Verdict::Verified),
        }
    }

    /// Verifies a simulator's document under the root that the simulator serves, in DER.
    pub(super) fn verify_simulated(
        &self,
        document: Vec<u8>,
        root: &[u8],
        now: ClockReading,
    ) -> Result<VerifiedIdentity, ReceiptError> {
        let anchors = TrustAnchors::simulator_root(root);
        VerifiedIdentity::verify_live(document, &anchors, self.sets.as_ref(), now)
    }
}

/// Returns whether the root certificate in the document has a simulator's common name. The function is public
/// because the command uses it. It is not part of the library's interface.
pub fn names_simulator_root(claims: &Claims<'_>) -> bool {
    let Some(root) = claims.cabundle().next() else { return false };
    X509Certificate::from_der(root).is_ok_and(|(_, root)| {
        let mut names = root.subject().iter_common_name();
        names.any(|name| name.as_str() == Ok(ROOT_COMMON_NAME))
    })
}
