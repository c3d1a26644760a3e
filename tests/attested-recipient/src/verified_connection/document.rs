//! The verification of a document that was just received.

use attestation::receipt::{ReceiptError, VerifiedIdentity};
use attestation::{ClockReading, TrustAnchors, UntrustedDocument, UnverifiedDocument};

use crate::expectations::{Expectations, names_simulator_root};

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

/// Verifies a document: steps 4 to 6.
pub(super) fn verify(
    expectations: &Expectations,
    document: Vec<u8>,
    now: ClockReading,
) -> Result<Verdict, ReceiptError> {
    let parsed = UnverifiedDocument::parse(document.clone())?;
    let is_simulated = names_simulator_root(&parsed.dangerous_unverified_claims());
    let (anchors, sets) = (expectations.anchors(), expectations.sets());
    // The roots that the user adds may contain a simulator's root, so a document that verifies may come from
    // a simulator.
    match VerifiedIdentity::verify_live(document, anchors, sets, now) {
        Ok(_) | Err(ReceiptError::Untrusted(UntrustedDocument::UnknownRoot))
            if is_simulated && !expectations.accepts_simulators() =>
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
    expectations: &Expectations,
    document: Vec<u8>,
    root: &[u8],
    now: ClockReading,
) -> Result<VerifiedIdentity, ReceiptError> {
    let anchors = TrustAnchors::simulator_root(root);
    VerifiedIdentity::verify_live(document, &anchors, expectations.sets(), now)
}
