use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use shared::attestation::{PcrFamily, PcrValue, Pcrs};

use super::super::values::Pcr;
use super::super::{Failure, read};

/// The object in which `nitro-cli` has its measurements.
const MEASUREMENTS: &str = "Measurements";

/// The register that `config-pcr` does not always know.
const SECRETS: &str = "17";

/// What an enclave must have measured.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeMap<u8, PcrValue>);

impl Expected {
    /// Those of the options `--pcr` and `--pcrs-file` together.
    pub(super) fn read(pcrs: &[Pcr], files: &[PathBuf]) -> Result<Self, Failure> {
        let mut expected = Self::default();
        for pcr in pcrs {
            expected.add(pcr).map_err(|reason| Failure::Usage(format!("--pcr: {reason}")))?;
        }
        for path in files {
            let failed = |reason| Failure::Content { path: path.clone(), reason };
            for pcr in registers(&read(path)?).map_err(failed)? {
                expected.add(&pcr).map_err(failed)?;
            }
        }
        Ok(expected)
    }

    fn add(&mut self, pcr: &Pcr) -> Result<(), String> {
        let Pcr { index, value } = pcr;
        if value.iter().all(|byte| *byte == 0) {
            return Err(format!(
                "PCR{index} is zero: nothing was measured there, as in debug mode or in an image that \
                 is not signed; write what is measured, or leave it out"
            ));
        }
        match self.0.entry(*index) {
            Entry::Occupied(entry) if entry.get() != value => {
                Err(format!("PCR{index} is expected to be two things: it was given before"))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(entry) => {
                entry.insert(*value);
                Ok(())
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it says which image runs (PCR0), or who signed it (PCR8). Whoever can start an enclave
    /// gives the other registers any value.
    pub(super) fn names_an_image(&self) -> bool {
        self.0.contains_key(&0) || self.0.contains_key(&8)
    }

    /// What is not as expected; `None` if all is.
    pub(super) fn mismatch(&self, measured: Pcrs<'_>) -> Option<String> {
        if measured.family() != PcrFamily::NitroEnclave {
            return Some("it is an instance with a NitroTPM, and no enclave".to_owned());
        }
        let mismatches: Vec<_> = self
            .0
            .iter()
            .filter_map(|(index, expected)| {
                let text = |value: &PcrValue| const_hex::encode(value);
                match measured.value(usize::from(*index)) {
                    Some(value) if value == expected => None,
                    Some(value) => {
                        Some(format!("PCR{index} is {}, not {}", text(value), text(expected)))
                    }
                    None => Some(format!("PCR{index} is absent, not {}", text(expected))),
                }
            })
            .collect();
        (!mismatches.is_empty()).then(|| mismatches.join(", "))
    }
}

/// The registers in a file: of `make eif`, `attested-recipient eif` or `config-pcr` at the top, of
/// `nitro-cli` within [`MEASUREMENTS`].
fn registers(json: &[u8]) -> Result<Vec<Pcr>, String> {
    let Members(members) = serde_json::from_slice(json).map_err(|error| {
        format!("not a JSON object with members such as \"PCR0\": \"{{96 digits}}\": {error}")
    })?;
    let mut registers = Vec::new();
    for (name, member) in members {
        match member {
            Member::Object(Members(members)) if name == MEASUREMENTS => {
                for (name, member) in members {
                    registers.extend(register(&name, &member)?);
                }
            }
            _ if name.eq_ignore_ascii_case(MEASUREMENTS) => {
                return Err(format!("{name} is not the object {MEASUREMENTS} of nitro-cli"));
            }
            member => registers.extend(register(&name, &member)?),
        }
    }
    if registers.is_empty() {
        return Err("holds no PCR: expected a member such as \"PCR0\"".to_owned());
    }
    Ok(registers)
}

/// One, unless the member is about something else. What looks like one and is none is an error: nothing
/// that was meant to be compared is left out.
fn register(name: &str, member: &Member) -> Result<Option<Pcr>, String> {
    if !looks_like_one(name) {
        return match member {
            Member::Object(Members(members))
                if members.iter().any(|(name, _)| looks_like_one(name)) =>
            {
                Err(format!("{name} holds registers, which only {MEASUREMENTS} may"))
            }
            _ => Ok(None),
        };
    }
    let index = name.strip_prefix("PCR").unwrap_or_default();
    if index.is_empty() || !index.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(format!("{name} is no register: write PCR0 to PCR31"));
    }
    match member {
        // Of secrets that were left out.
        Member::Null(()) if index == SECRETS => Ok(None),
        Member::Null(()) => Err(format!("{name} is null")),
        Member::Text(value) => match format!("{index}={value}").parse() {
            Ok(pcr) => Ok(Some(pcr)),
            Err(error) => Err(format!("{name}: {error}")),
        },
        Member::Object(_) | Member::Other(_) => Err(format!("{name} is no text")),
    }
}

/// Whether whoever wrote it meant a register.
fn looks_like_one(name: &str) -> bool {
    let name = name.trim();
    let start = name.get(..3).unwrap_or_default();
    start.eq_ignore_ascii_case("PCR") || name.eq_ignore_ascii_case("ImageSha384")
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Null(()),
    Text(String),
    Object(Members),
    Other(IgnoredAny),
}

/// All members of an object: none hides another of the same name.
struct Members(Vec<(String, Member)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}
