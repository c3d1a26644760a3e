//! Parses files with measurements.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::super::value_parsers::Pcr;

/// The member of `nitro-cli` output that contains the measurements.
const MEASUREMENTS: &str = "Measurements";

/// The register whose value `config-pcr` prints as null for a public archive.
const SECRETS: &str = "17";

/// Returns the registers of a file. `make eif`, `attested-recipient eif` and `config-pcr` write the
/// registers at the top level of the JSON. `nitro-cli` writes them in the member [`MEASUREMENTS`].
pub(super) fn parse_registers(json: &[u8]) -> Result<Vec<Pcr>, String> {
    let Members(members) = serde_json::from_slice(json).map_err(|error| {
        format!("not a JSON object with members such as \"PCR0\": \"{{96 digits}}\": {error}")
    })?;
    let mut registers = Vec::new();
    for (name, member) in members {
        match member {
            Member::Object(Members(members)) if name == MEASUREMENTS => {
                for (name, member) in members {
                    registers.extend(parse_register(&name, &member)?);
                }
            }
            _ if name.eq_ignore_ascii_case(MEASUREMENTS) => {
                return Err(format!("{name} is not the object {MEASUREMENTS} of nitro-cli"));
            }
            member => registers.extend(parse_register(&name, &member)?),
        }
    }
    if registers.is_empty() {
        return Err("it contains no PCR: expected a member such as \"PCR0\"".to_owned());
    }
    Ok(registers)
}

/// Returns the register of a member. Returns `None` if the member has another purpose. Returns an
/// error if the name only resembles a register, because otherwise a comparison that the user
/// expects would be skipped.
fn parse_register(name: &str, member: &Member) -> Result<Option<Pcr>, String> {
    if !looks_like_register(name) {
        return match member {
            Member::Object(Members(members))
                if members.iter().any(|(name, _)| looks_like_register(name)) =>
            {
                Err(format!(
                    "{name} contains PCRs, which are allowed at the top level and in \
                     {MEASUREMENTS} only"
                ))
            }
            _ => Ok(None),
        };
    }
    let index = name.strip_prefix("PCR").unwrap_or_default();
    if index.is_empty() || !index.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(format!("{name} is not the name of a PCR: write PCR0 to PCR31"));
    }
    match member {
        // `config-pcr` prints null if the secrets are absent from an archive.
        Member::Null(()) if index == SECRETS => Ok(None),
        Member::Null(()) => Err(format!("{name} is null: write 96 hexadecimal digits")),
        Member::Text(value) => match format!("{index}={value}").parse() {
            Ok(pcr) => Ok(Some(pcr)),
            Err(error) => Err(format!("{name}: {error}")),
        },
        Member::Object(_) | Member::Other(_) => {
            Err(format!("{name} is not a string: write 96 hexadecimal digits"))
        }
    }
}

/// Returns whether the name resembles the name of a register.
fn looks_like_register(name: &str) -> bool {
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

/// All members of an object, including duplicates.
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
