use super::*;

const KIND: StatementKind = StatementKind {
    content_type: "application/attested-random-receipt+cbor",
    external_aad: b"attested-random receipt v1",
    max_length: 450,
};

const OTHER: StatementKind = StatementKind { content_type: "application/other+cbor", ..KIND };

#[test]
fn signed_statement_verifies_only_with_its_key_and_kind() {
    let (key, other) = (Es256Key::generate().unwrap(), Es256Key::generate().unwrap());
    let bytes = KIND.sign(&key, b"payload").unwrap();
    let statement = KIND.parse(&bytes).unwrap();
    assert_eq!(statement.unverified_payload(), b"payload");
    assert_eq!(statement.key_id(), KeyId::of(key.public_key()));
    assert_eq!(statement.verify(key.public_key()), Ok(()));
    let invalid = Err(StatementSignatureError::Invalid);
    assert_eq!(statement.verify(other.public_key()), invalid);
    let aad = StatementKind { external_aad: b"attested-random receipt v2", ..KIND };
    assert_eq!(aad.parse(&bytes).unwrap().verify(key.public_key()), invalid);
    let expected = OTHER.content_type;
    assert_eq!(OTHER.parse(&bytes).unwrap_err(), StatementError::ContentType { expected });
}

#[test]
fn rejects_every_other_byte_before_the_payload() {
    let key = Es256Key::generate().unwrap();
    let bytes = KIND.sign(&key, b"payload").unwrap();
    // The key identifier may have any value.
    let key_id = 10..42;
    let payload = bytes.windows(7).position(|window| window == b"payload").unwrap();
    for index in (0..payload).filter(|index| !key_id.contains(index)) {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert!(KIND.parse(&changed).is_err(), "{index}");
    }
    for length in 0..bytes.len() {
        assert!(KIND.parse(&bytes[..length]).is_err(), "{length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(KIND.parse(&longer).unwrap_err(), StatementError::TrailingBytes { count: 1 });
    let untagged = &bytes[1..];
    assert_eq!(KIND.parse(untagged).unwrap_err(), StatementError::NotCoseSign1);
}

#[test]
fn names_the_other_type_only_if_it_is_one() {
    let key_id = KeyId([7; SHA_256_LENGTH]);
    let error = |typ: &[u8]| {
        let protected = [&PROTECTED_BEFORE_KID[..], &key_id.0, typ].concat();
        KIND.key_id(&protected).unwrap_err()
    };
    let other_type = StatementError::ContentType { expected: KIND.content_type };
    assert_eq!(error(b"\x10\x61a"), other_type);
    assert_eq!(error(b"\x10\x60"), other_type);
    for typ in [&b""[..], b"\x10", b"\x11\x61a", b"\x10\x41a", b"\x10\x61a\x00", b"\x10\x78\x01a"] {
        assert_eq!(error(typ), StatementError::ProtectedMembers, "{typ:02x?}");
    }
}

#[test]
fn statement_has_a_maximum_length() {
    let key = Es256Key::generate().unwrap();
    let empty = KIND.sign(&key, b"").unwrap().len();
    // The head of a byte string of this length has three bytes instead of one.
    let longest = KIND.max_length - empty - 2;
    assert!(KIND.parse(&KIND.sign(&key, &vec![0; longest]).unwrap()).is_ok());
    let bytes = KIND.sign(&key, &vec![0; longest + 1]).unwrap();
    let error = StatementError::TooLong { length: KIND.max_length + 1, max: KIND.max_length };
    assert_eq!(KIND.parse(&bytes).unwrap_err(), error);
}

#[test]
fn key_id_is_displayed_in_hexadecimal() {
    let mut key_id = KeyId([0xab; SHA_256_LENGTH]);
    key_id.0[0] = 0x0c;
    assert_eq!(key_id.to_string(), format!("0c{}", "ab".repeat(31)));
}

#[test]
fn heads_have_their_shortest_form() {
    for (argument, head) in [
        (23, &[0x17][..]),
        (24, &[0x18, 24]),
        (255, &[0x18, 255]),
        (256, &[0x19, 1, 0]),
        (65_535, &[0x19, 255, 255]),
        (65_536, &[0x1a, 0, 1, 0, 0]),
        (u64::from(u32::MAX), &[0x1a, 255, 255, 255, 255]),
        (u64::from(u32::MAX) + 1, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
    ] {
        let mut output = Vec::new();
        push_head(&mut output, UNSIGNED, argument);
        assert_eq!(output, head);
        assert_eq!(Reader::new(&output, 0..output.len()).unsigned(), Ok(argument));
    }
}
