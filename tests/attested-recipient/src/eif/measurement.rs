//! Computes the measurements of an image. A register has the value SHA-384(48 zero bytes ‖
//! SHA-384(bytes)), where the bytes are:
//!
//! | register | bytes |
//! |---|---|
//! | PCR0 | the kernel, the command line, all ramdisks |
//! | PCR1 | the kernel, the command line, the first ramdisk |
//! | PCR2 | the other ramdisks |
//! | PCR8 | the signing certificate's DER, if the image is signed |
//!
//! Headers, metadata and section boundaries are not measured.

use attestation::PcrValue;
use enclave::pcr_extension::extended_once;
use serde_json::{Map, Value};
use sha2::{Digest, Sha384};

use super::format::SectionKind;

/// The register values of an enclave that boots an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measurements {
    pub(crate) pcr0: PcrValue,
    pub(crate) pcr1: PcrValue,
    pub(crate) pcr2: PcrValue,
    /// The value of PCR8 for a signed image. `None` for other images, whose PCR8 stays zero.
    pub(crate) pcr8: Option<PcrValue>,
}

impl Measurements {
    /// Returns PCR0, PCR1, PCR2 and possibly PCR8 in hexadecimal, with the names that `nitro-cli` uses.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let Self { pcr0, pcr1, pcr2, pcr8 } = self;
        let registers = [
            ("PCR0", Some(pcr0)),
            ("PCR1", Some(pcr1)),
            ("PCR2", Some(pcr2)),
            ("PCR8", pcr8.as_ref()),
        ];
        let text = |value: &PcrValue| Value::String(const_hex::encode(value));
        registers
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), text(value?))))
            .collect()
    }
}

/// A hasher that receives the sections of an image in order.
#[derive(Default)]
pub(super) struct Measurer {
    image: Sha384,
    bootstrap: Sha384,
    application: Sha384,
    certificate: Option<PcrValue>,
    ramdisks: usize,
    current: Target,
}

/// The destination of the current section's bytes.
#[derive(Clone, Copy, Default)]
enum Target {
    #[default]
    None,
    Bootstrap,
    Application,
}

impl Measurer {
    /// Begins a section.
    pub(super) fn begin(&mut self, kind: SectionKind) {
        self.current = match kind {
            SectionKind::Kernel | SectionKind::Cmdline => Target::Bootstrap,
            SectionKind::Ramdisk => {
                self.ramdisks += 1;
                if self.ramdisks == 1 { Target::Bootstrap } else { Target::Application }
            }
            SectionKind::Signature | SectionKind::Metadata => Target::None,
        };
    }

    /// Adds bytes of the current section.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self.current {
            Target::None => return,
            Target::Bootstrap => self.bootstrap.update(bytes),
            Target::Application => self.application.update(bytes),
        }
        self.image.update(bytes);
    }

    /// Adds the signing certificate, as DER.
    pub(super) fn certificate(&mut self, der: &[u8]) {
        self.certificate = Some(pcr_value(Sha384::new_with_prefix(der)));
    }

    pub(super) const fn ramdisks(&self) -> usize {
        self.ramdisks
    }

    pub(super) fn finish(self) -> Measurements {
        Measurements {
            pcr0: pcr_value(self.image),
            pcr1: pcr_value(self.bootstrap),
            pcr2: pcr_value(self.application),
            pcr8: self.certificate,
        }
    }
}

/// Returns SHA-384(48 zero bytes ‖ digest of `hash`).
fn pcr_value(hash: Sha384) -> PcrValue {
    extended_once(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with values of `python3 -c 'import hashlib; h = lambda b: hashlib.sha384(b).digest();
    /// print(h(bytes(48) + h(b"...")).hex())'`.
    #[test]
    fn matches_measurements_of_python_hashlib() {
        let mut measurer = Measurer::default();
        for (kind, bytes) in [
            (SectionKind::Kernel, "kernel"),
            (SectionKind::Cmdline, "cmdline"),
            (SectionKind::Metadata, "metadata"),
            (SectionKind::Ramdisk, "first"),
            (SectionKind::Ramdisk, "second"),
            (SectionKind::Ramdisk, "third"),
            (SectionKind::Signature, "signature"),
        ] {
            measurer.begin(kind);
            measurer.update(bytes.as_bytes());
        }
        measurer.certificate(b"certificate");
        let json = Value::Object(measurer.finish().to_json());
        assert_eq!(
            json["PCR0"],
            "0ba92f764c6d34115dd39277c0851d0410602deae0f65aa42460a2e8fa6732589a3857fa882b9444d87c707141f4e159"
        );
        assert_eq!(
            json["PCR1"],
            "46babbcf32ee17f11876202088a546c302a1775fa0d9d64a8f149ec0ab9b50787461cc216af570c169ae69da41436382"
        );
        assert_eq!(
            json["PCR2"],
            "d481bb7b3ea38f9520857508ebdef575e9e028fc6225c14335f51c0578b40ac4244930b2f41da0244259819465cb2ec8"
        );
        assert_eq!(
            json["PCR8"],
            "e2ad58e7a1a9fdb1dcd72ae5858372974416919245e567ea8f717937e8b914f644320b0f88dcfca2d7a83b5ee6c832dd"
        );
    }

    #[test]
    fn unsigned_image_with_one_ramdisk_has_no_pcr8() {
        let mut measurer = Measurer::default();
        measurer.begin(SectionKind::Ramdisk);
        measurer.update(b"only");
        let json = Value::Object(measurer.finish().to_json());
        assert_eq!(json["PCR0"], json["PCR1"]);
        assert_eq!(
            json["PCR2"],
            "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a"
        );
        assert_eq!(json.get("PCR8"), None);
    }
}
