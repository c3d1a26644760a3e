//! Rows B: PCR values of zeros. Policies and the configuration must not require them.

use attestation::{PCR_LENGTH, PcrFamily};

use crate::harness::configuration::Configuration;
use crate::harness::requests::{PLAINTEXT_RESPONSE, SEALED_RESPONSE};
use crate::harness::row::{Row, row};
use crate::harness::service::generate_random;
use crate::harness::signed_requests::followed_by_signed_request;
use crate::rows::missing_pcrs::{
    EXPLICIT_DENY, IMPLICIT_DENY, NOT_ADMITTED, allow, denied, denied_as, deny, document, measured,
    signed_by, statement,
};

pub(crate) fn rows() -> Vec<Row> {
    vec![zeros()]
}

fn zeros() -> Row {
    let row = row("B16", "configuration names an all-zero measurement: no start");
    let row = policies_of_zeros(good_measurements(measurements_of_zeros(row)));
    zeros_of_nitro_tpms(policies_that_start(row))
}

/// Returns a configuration that requires these measurements and no authentication.
fn measuring(entries: &str) -> Configuration {
    Configuration::new(format!(
        "[auth]\nmode = \"none\"\n[recipient]\nrequire = true\nmeasurements = [{entries}]\n"
    ))
}

fn zero() -> String {
    "0".repeat(2 * PCR_LENGTH)
}

/// Returns the PCRs that are never zero on a measured platform.
fn registers() -> impl Iterator<Item = String> {
    let named = |prefix: &'static str, end| (0..end).map(move |index| format!("{prefix}{index}"));
    named("PCR", 32).chain(named("NitroTPMPCR", 8)).chain(["ImageSha384".to_owned()])
}

/// Returns the NitroTPM PCRs that the firmware does not use, so that the booted software can use
/// them.
fn registers_of_zeros() -> impl Iterator<Item = String> {
    (8..32).map(|index| format!("NitroTPMPCR{index}"))
}

fn is_of_nitro_tpm(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("nitrotpm")
}

fn measurements_of_zeros(mut row: Row) -> Row {
    let (zero, value) = (zero(), measured(8));
    let rejected = |entry: usize, name: &str| {
        let source = if is_of_nitro_tpm(name) {
            "as in a NitroTPM whose firmware measured nothing; write the value that \
             nitro-tpm-pcr-compute printed"
        } else {
            "as in every enclave in debug mode; write the value that nitro-cli build-enclave printed"
        };
        format!("[recipient] measurements, entry {entry}: {name} is all zeros, {source}")
    };
    for name in registers() {
        let entry = format!("{{ {name} = \"{zero}\" }}");
        row = row
            .prevents_start(format!("{name}, production"), measuring(&entry), rejected(1, &name))
            .prevents_start(
                format!("{name}, development"),
                measuring(&entry).with_development_profile(),
                rejected(1, &name),
            );
    }
    for (number, entries, name) in [
        (1, format!("{{ PCR0 = \"{value}\", PCR8 = \"{zero}\" }}"), "PCR8"),
        (1, format!("{{ PCR0 = \"{zero}\", PCR8 = \"{value}\" }}"), "PCR0"),
        (2, format!("{{ PCR0 = \"{value}\" }}, {{ PCR3 = \"{zero}\" }}"), "PCR3"),
        (1, format!("{{ PCR3 = \"{zero}\" }}, {{ PCR0 = \"{value}\" }}"), "PCR3"),
        (1, format!("{{ PCR0 = \"{zero}\", PCR1 = \"{zero}\", PCR2 = \"{zero}\" }}"), "PCR0"),
        (
            2,
            format!("{{ NitroTPMPCR4 = \"{value}\" }}, {{ NitroTPMPCR7 = \"{zero}\" }}"),
            "NitroTPMPCR7",
        ),
        // The spelling of the PCR's name does not matter.
        (1, format!("{{ pcr4 = \"{zero}\" }}"), "pcr4"),
        (1, format!("{{ IMAGESHA384 = \"{zero}\" }}"), "IMAGESHA384"),
        (1, format!("{{ nitrotpmpcr4 = \"{zero}\" }}"), "nitrotpmpcr4"),
    ] {
        let case = entries.replace(&zero, "0").replace(&value, "V");
        row = row.prevents_start(case, measuring(&entries), rejected(number, name));
    }
    // Zeros of another length are not a measurement.
    for zeros in [
        "",
        "0",
        "00",
        &zero[1..],
        &zero[2..],
        &format!("{zero}0"),
        &format!("{zero}00"),
        &format!("0x{}", &zero[2..]),
    ] {
        let entry = format!("{{ PCR8 = \"{zeros}\" }}");
        let error = "[recipient] measurements, entry 1: PCR8 is not a measurement; write 96 hexadecimal digits";
        row = row.prevents_start(
            format!("{} digits: {:.2}", zeros.len(), zeros),
            measuring(&entry),
            error,
        );
    }
    row
}

fn good_measurements(mut row: Row) -> Row {
    let mixed = measured(8)
        .chars()
        .enumerate()
        .map(|(index, digit)| if index % 2 == 0 { digit.to_ascii_uppercase() } else { digit })
        .collect::<String>();
    let last = format!("{}1", &zero()[1..]);
    for (case, entries, response) in [
        ("lower case", format!("{{ PCR8 = \"{}\" }}", measured(8)), SEALED_RESPONSE),
        ("upper case", format!("{{ PCR8 = \"{}\" }}", measured(8).to_uppercase()), SEALED_RESPONSE),
        ("mixed case", format!("{{ PCR8 = \"{mixed}\" }}"), SEALED_RESPONSE),
        ("ImageSha384", format!("{{ ImageSha384 = \"{}\" }}", measured(0)), SEALED_RESPONSE),
        // A value with one digit other than zero is valid, but no document has this value.
        (
            "one digit that is not zero",
            format!("{{ PCR8 = \"{last}\" }}"),
            denied_as("anonymous", NOT_ADMITTED),
        ),
        ("no entry", String::new(), SEALED_RESPONSE),
        (
            "zeros of a NitroTPM",
            format!("{{ NitroTPMPCR4 = \"{}\", NitroTPMPCR12 = \"{}\" }}", measured(4), zero()),
            denied_as("anonymous", NOT_ADMITTED),
        ),
    ] {
        row = row.with_configuration(measuring(&entries)).exchange(
            format!("starts: {case}"),
            generate_random(&document(|_| {})),
            vec![response],
        );
    }
    row
}

/// Adds a policy that requires zeros. The error contains the position of the first such value.
fn policy_of_zeros(row: Row, case: String, policy: &str, condition: &str, key: &str) -> Row {
    let column = 1 + policy.find(&format!("\"{}\"", zero())).unwrap();
    let source = if is_of_nitro_tpm(key) {
        "which a NitroTPM has only if its firmware measured nothing"
    } else {
        "which every enclave in debug mode has"
    };
    let error = format!(
        "[[credential]] number 3: AKIDZERO.json: line 1 column {column}: {condition} would allow a \
         kms:RecipientAttestation:{key} of all zeros, {source}; remove the value, or reject it \
         with Deny and a positive operator"
    );
    row.prevents_start(case, Configuration::signed().credential("AKIDZERO", "", policy), error)
}

fn policies_of_zeros(mut row: Row) -> Row {
    let zero = format!("\"{}\"", zero());
    for name in registers() {
        let policy = allow("StringEquals", &name, &zero);
        row = policy_of_zeros(
            row,
            format!("policy: {name}"),
            &policy,
            "Allow with StringEquals",
            &name,
        );
    }
    for operator in [
        "StringEquals",
        "StringEqualsIgnoreCase",
        "StringLike",
        "StringEqualsIfExists",
        "StringEqualsIgnoreCaseIfExists",
        "StringLikeIfExists",
    ] {
        let policy = allow(operator, "PCR8", &zero);
        let condition = format!("Allow with {operator}");
        row = policy_of_zeros(row, format!("policy: {condition}"), &policy, &condition, "PCR8");
    }
    for operator in [
        "StringNotEquals",
        "StringNotEqualsIgnoreCase",
        "StringNotLike",
        "StringNotEqualsIfExists",
        "StringNotEqualsIgnoreCaseIfExists",
        "StringNotLikeIfExists",
    ] {
        let policy = deny(operator, "PCR8", &zero);
        let condition = format!("Deny with {operator}");
        row = policy_of_zeros(row, format!("policy: {condition}"), &policy, &condition, "PCR8");
    }
    let value = format!("\"{}\"", measured(8));
    for (case, values) in [
        ("first of two", format!("[{zero},{value}]")),
        ("last of two", format!("[{value},{zero}]")),
        ("twice", format!("[{zero},{zero}]")),
    ] {
        let policy = allow("StringEquals", "PCR8", &values);
        row = policy_of_zeros(
            row,
            format!("policy: {case}"),
            &policy,
            "Allow with StringEquals",
            "PCR8",
        );
    }
    let policy = allow("StringEquals", "pcr8", &zero);
    row =
        policy_of_zeros(row, "policy: pcr8".to_owned(), &policy, "Allow with StringEquals", "PCR8");
    // The policy is rejected even if it also has a valid Allow statement.
    let both = format!(
        r#"{{"Statement":[{},{}]}}"#,
        statement("Allow", "StringEquals", "PCR3", &value),
        statement("Allow", "StringEquals", "PCR8", &zero)
    );
    policy_of_zeros(
        row,
        "policy: second statement".to_owned(),
        &both,
        "Allow with StringEquals",
        "PCR8",
    )
}

fn policies_that_start(mut row: Row) -> Row {
    let zero = format!("\"{}\"", zero());
    let zeroed = document(|document| document.pcrs.extend([(8, [0; PCR_LENGTH])]));
    let whole = document(|_| {});
    for (case, policy, of_zeros, of_whole) in [
        ("Deny with StringEquals", deny("StringEquals", "PCR8", &zero), Err(EXPLICIT_DENY), Ok(())),
        (
            "Deny with StringEqualsIgnoreCase",
            deny("StringEqualsIgnoreCase", "PCR8", &zero),
            Err(EXPLICIT_DENY),
            Ok(()),
        ),
        ("Deny with StringLike", deny("StringLike", "PCR8", &zero), Err(EXPLICIT_DENY), Ok(())),
        (
            "Deny with StringEqualsIfExists",
            deny("StringEqualsIfExists", "PCR8", &zero),
            Err(EXPLICIT_DENY),
            Ok(()),
        ),
        (
            "Allow with StringNotEquals",
            allow("StringNotEquals", "PCR8", &zero),
            Err(IMPLICIT_DENY),
            Ok(()),
        ),
        (
            "Allow with StringNotLike",
            allow("StringNotLike", "PCR8", &zero),
            Err(IMPLICIT_DENY),
            Ok(()),
        ),
    ] {
        row = row.with_configuration(Configuration::signed().credential("AKIDZERO", "", &policy));
        for (which, document, verify_document) in
            [("zeros", &zeroed, of_zeros), ("a value", &whole, of_whole)]
        {
            let response = match verify_document {
                Ok(()) => SEALED_RESPONSE,
                Err(why) => denied("AKIDZERO", why),
            };
            row = row.exchange(
                format!("starts: {case}, of {which}"),
                followed_by_signed_request(signed_by("AKIDZERO", document)),
                vec![response, PLAINTEXT_RESPONSE],
            );
        }
    }
    row
}

/// Adds cases for PCRs that the firmware does not use. A policy may require zeros for such a PCR.
/// The document must then contain the zeros.
fn zeros_of_nitro_tpms(mut row: Row) -> Row {
    let zero = format!("\"{}\"", zero());
    let of_nitro_tpm = |value: u8| {
        document(|document| {
            document.family = PcrFamily::NitroTpm;
            document.pcrs.extend((8..32).map(|index| (index, [value; PCR_LENGTH])));
        })
    };
    let (zeros, others) = (of_nitro_tpm(0), of_nitro_tpm(1));
    for name in registers_of_zeros() {
        let policy = allow("StringEquals", &name, &zero);
        row = row.with_configuration(Configuration::signed().credential("AKIDZERO", "", &policy));
        for (which, document, response) in [
            ("zeros", &zeros, SEALED_RESPONSE),
            ("a value", &others, denied("AKIDZERO", IMPLICIT_DENY)),
            ("an enclave", &document(|_| {}), denied("AKIDZERO", IMPLICIT_DENY)),
        ] {
            row = row.exchange(
                format!("starts: {name}, of {which}"),
                followed_by_signed_request(signed_by("AKIDZERO", document)),
                vec![response, PLAINTEXT_RESPONSE],
            );
        }
        let entry = measuring(&format!("{{ {name} = {zero} }}"));
        row = row.with_configuration(entry.with_development_profile());
        for (which, document, response) in [
            ("zeros", &zeros, SEALED_RESPONSE),
            ("a value", &others, denied_as("anonymous", NOT_ADMITTED)),
        ] {
            let case = format!("starts: {name} configured, of {which}");
            row = row.exchange(case, generate_random(document), vec![response]);
        }
    }
    row
}
