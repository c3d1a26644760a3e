//! Rows E: the scope of a signature (day, region and service), and its validity of five minutes.

use crate::harness::configuration::Configuration;
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::NOW;
use crate::harness::signed_requests::{
    accepts, credential_form, date_form, draft, invalid, mismatch, not_printable, rejects,
};
use crate::harness::sigv4_signer::{DATE, SigningOptions, scope};

pub(crate) fn rows() -> Vec<Row> {
    assert_eq!(NOW.basic_iso8601().to_string(), DATE);
    vec![scopes_and_dates()]
}

fn scopes_and_dates() -> Row {
    let row = row("E26", "wrong region, service, date; 5 minutes plus or minus one second")
        .with_configuration(Configuration::signed());
    malformed_dates(windows(scope_dates(scopes(row))))
}

/// Adds a request that is signed for another scope. The signing key is the key of that scope.
fn scoped(row: Row, scope: &str, response: Expected) -> Row {
    let bytes = draft().signed_as(&SigningOptions::for_scope(scope));
    rejects(row, format!("{scope:?}"), bytes, response)
}

fn scopes(mut row: Row) -> Row {
    let region = || invalid("Credential should be scoped to a valid region. ");
    let service = || invalid("Credential should be scoped to correct service: 'kms'. ");
    let terminator =
        || invalid("Credential should be scoped with a valid terminator: 'aws4_request'. ");
    for other in [
        "us-east-1",
        "eu-west-2",
        "eu-west-1a",
        "eu-west-",
        "eu-west",
        "EU-WEST-1",
        "eu_west_1",
        "aws-global",
        "*",
        "",
        " eu-west-1",
        "eu-west-1;",
        "eu-west-1%00",
    ] {
        row = scoped(row, &format!("20270115/{other}/kms/aws4_request"), region());
    }
    for other in ["sts", "KMS", "Kms", "kms ", "km", "kmss", "execute-api", "*", ""] {
        row = scoped(row, &format!("20270115/eu-west-1/{other}/aws4_request"), service());
    }
    for other in ["aws4", "AWS4_REQUEST", "aws3_request", "aws4_requests", "aws4_reques", "*", ""] {
        row = scoped(row, &format!("20270115/eu-west-1/kms/{other}"), terminator());
    }
    // The error names the first wrong element.
    row = scoped(row, "20270115/us-east-1/sts/aws4", region());
    row = scoped(row, "20270115/eu-west-1/sts/aws4", service());
    for scope in [
        "",
        "20270115",
        "20270115/eu-west-1",
        "20270115/eu-west-1/kms",
        "eu-west-1/kms/aws4_request",
        "20270115/eu-west-1/kms/aws4_request/",
        "20270115/eu-west-1/kms/aws4_request/x",
        "/20270115/eu-west-1/kms/aws4_request",
        "20270115//eu-west-1/kms/aws4_request",
        "20270115%2Feu-west-1%2Fkms%2Faws4_request",
    ] {
        row = scoped(row, scope, credential_form());
    }
    // The scope is valid, but the signing key belongs to another scope.
    for other in [
        "20270115/us-east-1/kms/aws4_request",
        "20270115/eu-west-1/sts/aws4_request",
        "20270114/eu-west-1/kms/aws4_request",
    ] {
        let authorization = SigningOptions::for_scope(other).authorization(&draft());
        let bytes = draft().authorized(authorization.replace(other, &scope("20270115")));
        row = rejects(row, format!("valid scope, signed for {other}"), bytes, mismatch());
    }
    row
}

fn scope_dates(mut row: Row) -> Row {
    let date = |credential_date: &str| {
        invalid(&format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{credential_date}' != '20270115', from '20270115T080000Z'."
        ))
    };
    for day in ["20270114", "20270116", "20260115", "20270215", "00000000", "99999999", "19700101"]
    {
        row = scoped(row, &scope(day), date(day));
    }
    // The message does not repeat a day that does not have eight digits.
    for day in [
        "",
        "2027011",
        "202701150",
        "2027-01-15",
        "20270115T080000Z",
        "2027011a",
        "+2027011",
        " 0270115",
        "*",
        "'20270115'",
    ] {
        row = scoped(row, &scope(day), date("?"));
    }
    row = scoped(row, "20270114/us-east-1/sts/aws4", date("20270114"));
    let bytes = draft().signed_as(&SigningOptions::for_scope(scope("2027011\u{665}")));
    rejects(row, "a digit of another script", bytes, not_printable())
}

/// Returns a GenerateRandom request that is signed at another time, with the scope of that day.
fn dated(date: &str) -> Vec<u8> {
    let day = date.split('T').next().unwrap();
    draft().set("X-Amz-Date", date).signed_as(&SigningOptions::for_scope(scope(day)))
}

fn windows(mut row: Row) -> Row {
    for date in [
        DATE,
        "20270115T075500Z",
        "20270115T075501Z",
        "20270115T075959Z",
        "20270115T080001Z",
        "20270115T080459Z",
        "20270115T080500Z",
    ] {
        row = accepts(row, date, dated(date));
    }
    for date in [
        "20270115T075459Z",
        "20270115T000000Z",
        "20270114T080000Z",
        "20260115T080000Z",
        "19700101T000000Z",
    ] {
        let message = format!(
            "Signature expired: {date} is now earlier than 20270115T075500Z (20270115T080000Z - 5 \
             min.)"
        );
        row = rejects(row, date, dated(date), invalid(&message));
    }
    for date in [
        "20270115T080501Z",
        "20270115T235959Z",
        "20270116T080000Z",
        "20280115T080000Z",
        "99991231T235959Z",
    ] {
        let message = format!(
            "Signature not yet current: {date} is still later than 20270115T080500Z \
             (20270115T080000Z + 5 min.)"
        );
        row = rejects(row, date, dated(date), invalid(&message));
    }
    // The time in the header is within the window, but differs from the signed time.
    let other = draft().set("X-Amz-Date", "20270115T080001Z");
    rejects(row, "a second later than signed", other.signed_over(&draft()), mismatch())
}

fn malformed_dates(mut row: Row) -> Row {
    for date in [
        "",
        "20270115",
        "20270115T080000",
        "20270115T080000z",
        "20270115t080000Z",
        "20270115T0800Z",
        "20270115T080000.000Z",
        "20270115T080000+0000",
        "2027-01-15T08:00:00Z",
        "Fri, 15 Jan 2027 08:00:00 GMT",
        "1800000000",
        "20271315T080000Z",
        "20270015T080000Z",
        "20270100T080000Z",
        "20270132T080000Z",
        "20270229T080000Z",
        "20270115T240000Z",
        "20270115T086000Z",
        "20270115T080060Z",
        "19691231T235959Z",
        "00000000T000000Z",
        "+0270115T080000Z",
        "20270115T080000Z, 20270115T080000Z",
        "2027011\u{665}T080000Z",
        "20270115T080000\u{ff3a}",
        "X",
    ] {
        let bytes = draft().set("X-Amz-Date", date).signed();
        row = rejects(row, format!("X-Amz-Date: {date:?}"), bytes, date_form());
    }
    row
}
