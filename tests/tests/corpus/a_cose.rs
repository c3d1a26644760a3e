//! A: CBOR and COSE.

use shared::attestation::MalformedDocument;

use crate::answer::Expected;
use crate::row::{Row, row};
use crate::stage::good;

pub(crate) fn rows() -> Vec<Row> {
    let document = good().sign().unwrap();
    let cut = |row: Row, length: usize| {
        row.refused(
            format!("{length} bytes"),
            document[..length].to_vec(),
            MalformedDocument::Empty,
        )
    };
    let empty = Expected::validation(
        "1 validation error detected: Value at 'recipient.attestationDocument' failed to satisfy \
         constraint: Member must have length greater than or equal to 1",
    );
    vec![
        row("A01", "empty").refused_by_model("", Vec::new(), MalformedDocument::Empty, empty),
        row("A07", "tag 18 once").accepted("", [&[0xd2][..], &document].concat()),
    ]
}
