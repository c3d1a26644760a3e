//! Files with expected measurements.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use attestation::time::UnixMillis;
use attestation::{MAX_PCRS, MeasurementSet, PcrValue};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

/// The member of `nitro-cli` output that contains the measurements.
const MEASUREMENTS: &str = "Measurements";

/// The member with the last time at which the measurements are acceptable.
const NOT_AFTER: &str = "not_after";

/// The register whose value `config-pcr` prints as null for a public archive.
const SECRETS: u8 = 17;

/// Expected registers, and the end of their validity.
///
/// ```
/// use attested_recipient::{MeasurementSets, Measurements};
///
/// let json = format!(
///     r#"{{"PCR0": "{}", "PCR16": "{}", "not_after": "2027-01-31T00:00:00Z"}}"#,
///     "a5".repeat(48),
///     "5a".repeat(48),
/// );
/// let set = Measurements::from_json(json.as_bytes())?.into_set("release 7");
/// let sets = MeasurementSets::new(vec![set])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measurements {
    registers: BTreeMap<u8, PcrValue>,
    not_after: Option<UnixMillis>,
}

/// The reason why measurements are rejected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct MeasurementsError(String);

impl Measurements {
    /// Parses the JSON of a measurement file. `make eif`, `attested-recipient eif` and `config-pcr` write the
    /// registers at the top level of the JSON. `nitro-cli` writes them in the member `Measurements`. The optional
    /// member `not_after` is a time in the form of RFC 3339. After it, no enclave of
    /// the set is accepted, and receipts with a later time are rejected.
    ///
    /// # Errors
    /// If `json` contains no register, contradicts itself, or has a member that only resembles one of these members.
    pub fn from_json(json: &[u8]) -> Result<Self, MeasurementsError> {
        let Members(members) = serde_json::from_slice(json).map_err(|error| {
            MeasurementsError(format!(
                "not a JSON object with members such as \"PCR0\": \"{{96 digits}}\": {error}"
            ))
        })?;
        let mut measurements = Self::default();
        for (name, member) in &members {
            measurements.add_member(name, member).map_err(MeasurementsError)?;
        }
        if measurements.registers.is_empty() {
            let text = "it contains no PCR: expected a member such as \"PCR0\"";
            return Err(MeasurementsError(text.to_owned()));
        }
        Ok(measurements)
    }

    /// Adds the expected value of one register.
    ///
    /// # Errors
    /// If `value` is zero, or if the register is expected to have another value.
    pub fn add_register(&mut self, index: u8, value: PcrValue) -> Result<(), MeasurementsError> {
        if value.iter().all(|byte| *byte == 0) {
            return Err(MeasurementsError(format!(
                "PCR{index} is zero, as in debug mode or in an unsigned image: give the measured \
                 value, or omit the register"
            )));
        }
        match self.registers.entry(index) {
            Entry::Occupied(entry) if *entry.get() != value => Err(MeasurementsError(format!(
                "PCR{index} has conflicting expected values: it was given before with another \
                 value"
            ))),
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(entry) => {
                entry.insert(value);
                Ok(())
            }
        }
    }

    /// Adds all registers of `other`. The earlier end of validity remains.
    ///
    /// # Errors
    /// If a register is expected to have another value.
    pub fn add(&mut self, other: &Self) -> Result<(), MeasurementsError> {
        self.not_after = self.not_after.into_iter().chain(other.not_after).min();
        other.registers.iter().try_for_each(|(index, value)| self.add_register(*index, *value))
    }

    /// Returns the expected registers by index.
    pub const fn registers(&self) -> &BTreeMap<u8, PcrValue> {
        &self.registers
    }

    /// Returns the last time at which the measurements are acceptable.
    pub const fn not_after(&self) -> Option<UnixMillis> {
        self.not_after
    }

    /// Returns the measurements as a set. Errors contain `name`, for example the name of the set's file.
    pub fn into_set(self, name: impl Into<String>) -> MeasurementSet {
        MeasurementSet::new(name, self.registers).with_not_after(self.not_after)
    }

    /// Adds a member of the file's object.
    fn add_member(&mut self, name: &str, member: &Member) -> Result<(), String> {
        match member {
            Member::Object(Members(members)) if name == MEASUREMENTS => {
                members.iter().try_for_each(|(name, member)| self.add_measured(name, member))
            }
            _ if name.eq_ignore_ascii_case(MEASUREMENTS) => {
                Err(format!("{name} is not the object {MEASUREMENTS} of nitro-cli"))
            }
            _ if looks_like_not_after(name) => self.set_not_after(name, member),
            member => self.add_measured(name, member),
        }
    }

    /// Adds the register of a member. Ignores a member with another purpose. Returns an error if the name only
    /// resembles a register, because otherwise a comparison that the user expects would not be made.
    fn add_measured(&mut self, name: &str, member: &Member) -> Result<(), String> {
        if !looks_like_register(name) {
            return check_other_member(name, member);
        }
        let index = register_index(name)
            .ok_or_else(|| format!("{name} is not the name of a PCR: write PCR0 to PCR31"))?;
        match member {
            // `config-pcr` prints null if the secrets are absent from an archive.
            Member::Null(()) if index == SECRETS => Ok(()),
            Member::Null(()) => Err(format!("{name} is null: write 96 hexadecimal digits")),
            Member::Text(value) => {
                let value = register_value(value).ok_or_else(|| {
                    format!("{name}: the value is not 48 bytes in hexadecimal (96 digits)")
                })?;
                self.add_register(index, value).map_err(|MeasurementsError(text)| text)
            }
            Member::Object(_) | Member::Other(_) => {
                Err(format!("{name} is not a string: write 96 hexadecimal digits"))
            }
        }
    }

    fn set_not_after(&mut self, name: &str, member: &Member) -> Result<(), String> {
        if name != NOT_AFTER {
            return Err(format!("{name} is not the name of a member: write {NOT_AFTER}"));
        }
        let time = match member {
            Member::Text(time) => UnixMillis::from_rfc3339(time),
            _ => None,
        };
        let time = time.ok_or_else(|| {
            format!("{NOT_AFTER} is not a time in RFC 3339, such as 2027-01-31T00:00:00Z")
        })?;
        match self.not_after.replace(time) {
            None => Ok(()),
            Some(_) => Err(format!("{NOT_AFTER} is given twice")),
        }
    }
}

/// Rejects an object that contains registers or an end of validity, which would be ignored.
fn check_other_member(name: &str, member: &Member) -> Result<(), String> {
    let contains = |members: &[(String, Member)], looks_like: fn(&str) -> bool| {
        members.iter().any(|(name, _)| looks_like(name))
    };
    match member {
        _ if looks_like_not_after(name) => {
            Err(format!("{name} is allowed at the top level only, with the name {NOT_AFTER}"))
        }
        Member::Object(Members(members)) if contains(members, looks_like_register) => Err(format!(
            "{name} contains PCRs, which are allowed at the top level and in {MEASUREMENTS} only"
        )),
        Member::Object(Members(members)) if contains(members, looks_like_not_after) => {
            Err(format!("{name} contains {NOT_AFTER}, which is allowed at the top level only"))
        }
        _ => Ok(()),
    }
}

fn register_index(name: &str) -> Option<u8> {
    let index = name.strip_prefix("PCR")?;
    let is_decimal = !index.is_empty() && index.bytes().all(|digit| digit.is_ascii_digit());
    let index = index.parse().ok().filter(|_| is_decimal)?;
    (usize::from(index) < MAX_PCRS).then_some(index)
}

fn register_value(digits: &str) -> Option<PcrValue> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    const_hex::decode_to_array(digits).ok().filter(|_| all)
}

/// Returns whether the name resembles the name of a register.
fn looks_like_register(name: &str) -> bool {
    let name = name.trim();
    let start = name.get(..3).unwrap_or_default();
    start.eq_ignore_ascii_case("PCR") || name.eq_ignore_ascii_case("ImageSha384")
}

/// Returns whether the name resembles [`NOT_AFTER`].
fn looks_like_not_after(name: &str) -> bool {
    let letters = name.chars().filter(|character| character.is_alphanumeric());
    letters.collect::<String>().eq_ignore_ascii_case("notafter")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(members: &str) -> Result<Measurements, String> {
        let json = format!(r#"{{"PCR0": "{}"{members}}}"#, "a5".repeat(48));
        Measurements::from_json(json.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_registers_and_end_of_validity() {
        let measurements = parse(r#", "not_after": "1970-01-01T01:00:01+01:00", "version": "7""#);
        let measurements = measurements.unwrap();
        assert_eq!(measurements.not_after(), Some(UnixMillis::from_secs(1)));
        assert_eq!(measurements.registers(), &BTreeMap::from([(0, [0xa5; 48])]));
        assert_eq!(parse("").unwrap().not_after(), None);
    }

    #[test]
    fn rejects_misplaced_or_malformed_end_of_validity() {
        let time = r#""2027-01-31T00:00:00Z""#;
        for (members, error) in [
            (format!(r#","notAfter":{time}"#), "write not_after"),
            (format!(r#","Not-After":{time}"#), "write not_after"),
            (format!(r#","not_after":{time},"not_after":{time}"#), "given twice"),
            (format!(r#","Measurements":{{"not_after":{time}}}"#), "top level only"),
            (format!(r#","release":{{"not_after":{time}}}"#), "release contains"),
            (r#","not_after":"tomorrow""#.to_owned(), "RFC 3339"),
            (r#","not_after":null"#.to_owned(), "RFC 3339"),
            (r#","not_after":1800000000"#.to_owned(), "RFC 3339"),
        ] {
            let rejected = parse(&members).unwrap_err();
            assert!(rejected.contains(error), "{members}: {rejected}");
        }
    }

    #[test]
    fn earlier_end_of_validity_remains() {
        let ends = |seconds: Option<u64>| Measurements {
            not_after: seconds.map(UnixMillis::from_secs),
            ..Measurements::default()
        };
        for (one, other, earlier) in [
            (None, None, None),
            (Some(1), None, Some(1)),
            (None, Some(2), Some(2)),
            (Some(3), Some(2), Some(2)),
        ] {
            let mut sum = ends(one);
            sum.add(&ends(other)).unwrap();
            assert_eq!(sum, ends(earlier));
        }
    }
}
