//! Tests of skipped items and of rejected encodings.

use super::*;

fn reader(input: &[u8]) -> Reader<'_> {
    Reader::new(input, 0..input.len())
}

#[test]
fn rejects_lengths_not_in_shortest_form() {
    for input in [
        &[0x18, 0x17][..],
        &[0x19, 0x00, 0xff],
        &[0x1a, 0, 0, 0xff, 0xff],
        &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        &[0x1c],
        &[0x1f],
    ] {
        let fault = reader(input).unsigned().unwrap_err().fault;
        assert_eq!(fault, CborFault::NotShortest, "{input:x?}");
    }
    assert_eq!(reader(&[0x18, 0x18]).unsigned(), Ok(24));
}

#[test]
fn rejects_length_beyond_the_end() {
    for input in [
        &[0x42, 0x00][..],
        &[0x5a, 0xff, 0xff, 0xff, 0xff],
        &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x58],
        &[],
    ] {
        let fault = reader(input).bytes().unwrap_err().fault;
        assert_eq!(fault, CborFault::Truncated, "{input:x?}");
    }
}

#[test]
fn rejects_chunked_strings() {
    let error = reader(&[0x5f, 0x41, 0x00, 0xff]).bytes().unwrap_err();
    assert_eq!(error, CborError { offset: 0, fault: CborFault::IndefiniteString });
}

#[test]
fn skips_exactly_one_item_of_each_type() {
    for input in [
        &[0x00][..],
        &[0x20],
        &[0x41, 0x00],
        &[0x61, b'a'],
        &[0x82, 0x01, 0x02],
        &[0x9f, 0x01, 0xff],
        &[0xa1, 0x01, 0x02],
        &[0xbf, 0x01, 0x02, 0xff],
        &[0xc1, 0x00],
        &[0xf4],
        &[0xf9, 0x00, 0x00],
        &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let mut reader = reader(input);
        assert_eq!(reader.skip(), Ok(()), "{input:x?}");
        assert_eq!(reader.remaining(), 0, "{input:x?}");
    }
}

#[test]
fn rejects_deep_or_malformed_items_when_skipping() {
    assert_eq!(reader(&[0x81; 100_000]).skip().unwrap_err().fault, CborFault::Depth);
    assert_eq!(reader(&[0x82, 0x01]).skip().unwrap_err().fault, CborFault::Truncated);
    assert_eq!(reader(&[0xbf, 0x01, 0xff]).skip().unwrap_err().offset, 2);
    assert_eq!(reader(&[0x9f, 0x01]).skip().unwrap_err().fault, CborFault::Truncated);
}

#[test]
fn rejects_unassigned_simple_values_when_skipping() {
    let expected = Err(CborError { offset: 0, fault: CborFault::SimpleValue });
    for value in 0..=u8::MAX {
        assert_eq!(reader(&[0xf8, value]).skip(), expected, "{value}");
    }
    for byte in 0xe0..=0xf3 {
        assert_eq!(reader(&[byte]).skip(), expected, "{byte:x}");
    }
    for byte in 0xf4..=0xf7 {
        assert_eq!(reader(&[byte]).skip(), Ok(()), "{byte:x}");
    }
}

#[test]
fn skips_items_of_maximum_depth() {
    assert_eq!(reader(&[[0x81; MAX_DEPTH].as_slice(), &[0]].concat()).skip(), Ok(()));
    let deeper = [[0x81; MAX_DEPTH + 1].as_slice(), &[0]].concat();
    let error = CborError { offset: MAX_DEPTH + 1, fault: CborFault::Depth };
    assert_eq!(reader(&deeper).skip(), Err(error));
}

#[test]
fn error_names_the_found_type() {
    for (byte, found) in [
        (0x1b, "unsigned integer"),
        (0x20, "negative integer"),
        (0x40, "byte string"),
        (0x60, "text string"),
        (0x80, "array"),
        (0xa0, "map"),
        (0xc0, "tag"),
        (0xf4, "boolean"),
        (0xf5, "boolean"),
        (0xf6, "null"),
        (0xf7, "simple value"),
        (0xf8, "simple value"),
        (0xf9, "float"),
        (0xfb, "float"),
        (0xff, "break"),
    ] {
        let input = [byte];
        let mut reader = reader(&input);
        let (fault, expected) = match byte {
            0x1b => (reader.text().unwrap_err().fault, "text string"),
            _ => (reader.unsigned().unwrap_err().fault, "unsigned integer"),
        };
        assert_eq!(fault, CborFault::Type { expected, found }, "{byte:x}");
    }
}
