use super::*;

fn error(body: &str) -> String {
    GenerateRandom::parse(body.as_bytes()).unwrap_err().to_string()
}

fn is_serialization(body: &str) -> bool {
    matches!(GenerateRandom::parse(body.as_bytes()), Err(InvalidRequest::Serialization(_)))
}

#[test]
fn parses_request_with_and_without_recipient() {
    let plain = GenerateRandom::parse(br#"{"NumberOfBytes":1024,"Other":[]}"#).unwrap();
    assert_eq!(plain.number_of_bytes.get(), 1024);
    assert!(plain.attestation_document.is_none() && plain.custom_key_store_id.is_none());
    let attested = br#"{"NumberOfBytes":1,"CustomKeyStoreId":null,"Recipient":
        {"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"AP\/="}}"#;
    // AP/= has non-zero trailing bits. AP8= is the canonical form.
    assert!(matches!(
        GenerateRandom::parse(attested),
        Err(InvalidRequest::Serialization(JsonError::Base64 { .. }))
    ));
    let attested = String::from_utf8_lossy(attested).replace("\\/", "8");
    let attested = GenerateRandom::parse(attested.as_bytes()).unwrap();
    assert_eq!(attested.attestation_document.unwrap(), [0, 255]);
}

#[test]
fn constraint_messages_equal_those_of_kms() {
    let prefix = "1 validation error detected: Value ";
    let cases = [
        (
            r#"{"NumberOfBytes":0}"#,
            "'0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            r#"{"NumberOfBytes":-1}"#,
            "'-1' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            r#"{"NumberOfBytes":1025}"#,
            "'1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
        ),
        (
            r#"{"NumberOfBytes":1,"CustomKeyStoreId":""}"#,
            "'' at 'customKeyStoreId' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"X","AttestationDocument":"AA=="}}"#,
            "'X' at 'recipient.keyEncryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RSAES_OAEP_SHA_256]",
        ),
        (
            r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":""}}"#,
            "at 'recipient.attestationDocument' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(error(body), format!("{prefix}{expected}"));
    }
    let two = format!(r#"{{"NumberOfBytes":0,"CustomKeyStoreId":"{}"}}"#, "a".repeat(65));
    assert!(error(&two).starts_with("2 validation errors detected: Value '0' at "));
    assert!(error(&two).contains("; Value 'aaa"));
}

#[test]
fn requires_number_of_bytes_and_both_recipient_members() {
    for body in ["{}", r#"{"NumberOfBytes":null}"#] {
        assert_eq!(error(body), "NumberOfBytes is required.");
    }
    assert_eq!(
        error(r#"{"NumberOfBytes":1,"Recipient":{"AttestationDocument":"AA=="}}"#),
        "Recipient.KeyEncryptionAlgorithm is required."
    );
    assert_eq!(
        error(r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}"#),
        "Recipient.AttestationDocument is required."
    );
}

#[test]
fn rejects_other_json_types_for_number_and_blob() {
    for value in ["1e3", "32.0", "\"32\"", "true", "18446744073709551616", "[]", "{}"] {
        assert!(is_serialization(&format!(r#"{{"NumberOfBytes":{value}}}"#)), "{value}");
    }
    for value in ["1", "[]", r#""AA""#, r#""AA==\n""#, r#"" AA==""#, r#""-_==""#, r#""AB==""#] {
        let body = format!(
            r#"{{"NumberOfBytes":1,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":{value}}}}}"#
        );
        assert!(is_serialization(&body), "{value}");
    }
}

#[test]
fn response_has_one_member() {
    let plain = GenerateRandomResponse::plaintext(&[0, 255]);
    assert_eq!(plain, br#"{"Plaintext":"AP8="}"#);
    let sealed = GenerateRandomResponse::ciphertext_for_recipient(1, |room| {
        assert_eq!(room, [0]);
        Ok::<_, JsonError>(())
    });
    assert_eq!(sealed.unwrap(), br#"{"CiphertextForRecipient":"AA=="}"#);
}

#[test]
fn encodes_ciphertext_of_any_length_in_place() {
    for length in (0..200).chain([493, 1487, 1615, 1743, 6143, 6144]) {
        let blob: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let body = GenerateRandomResponse::ciphertext_for_recipient(length, |room| {
            room.copy_from_slice(&blob);
            Ok::<_, JsonError>(())
        });
        let body = String::from_utf8(body.unwrap()).unwrap();
        let expected = format!(r#"{{"CiphertextForRecipient":"{}"}}"#, STANDARD.encode(&blob));
        assert_eq!(body, expected, "{length}");
        assert_eq!(GenerateRandomResponse::plaintext(&blob).len(), body.len() - 13);
    }
}
