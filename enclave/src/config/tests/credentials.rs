//! The tables `[[credential]]`.

use attestation::time::UnixMillis;

use super::*;

#[test]
fn rejects_credentials_without_production() {
    for text in [CREDENTIAL, &format!("[auth]\nmode = \"none\"\n{CREDENTIAL}")] {
        let error = error_text(text, Profile::Development);
        assert!(error.contains("write mode = \"sigv4\" under [auth], or remove the"), "{error}");
    }
}

#[test]
fn rejects_invalid_credentials() {
    let changed = |from: &str, to: &str| {
        let text = CREDENTIAL.replace(from, to);
        assert_ne!(text, CREDENTIAL, "{from}");
        error_text(&production(&text), Profile::Production)
    };
    for (from, to, expected) in [
        (SECRET, "", "line 9 column 21: a secret must be a non-empty string"),
        ("policies", "session_token = \"\"\npolicies", "a secret must be a non-empty string"),
        (
            "arn:aws:iam::123456789012:role/wallet",
            "wallet",
            "[[credential]] number 1: principal: not the ARN of a principal, such as ",
        ),
        ("wallet.json", "other.json", "other.json: No such file"),
        ("wallet.json", "enclave.toml", "enclave.toml: the name is reserved"),
        (
            "wallet.json",
            "../wallet.json",
            "wallet.json: use a path below the configuration's folder",
        ),
        (
            "policies",
            "expires = \"tomorrow\"\npolicies",
            "expected a time with an offset from UTC, such as 2027-01-31T12:00:00Z",
        ),
        ("policies", "expires = 5\npolicies", "expected a time with an offset from UTC"),
        ("policies", "expires = 2027-01-31\npolicies", "expected a time with an offset"),
    ] {
        let error = changed(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
    let without_policies = CREDENTIAL.replace("policies = [\"wallet.json\"]\n", "");
    let error = error_text(&production(&without_policies), Profile::Production);
    assert!(error.contains("missing field `policies`"), "{error}");
    let region = production(CREDENTIAL).replace("eu-west-1", "eu-west-1/kms");
    let error = error_text(&region, Profile::Production);
    assert_eq!(
        error,
        "[auth] region is invalid: use lower-case letters, digits and hyphens, such as \
         \"eu-west-1\""
    );
}

#[test]
fn errors_contain_the_credential_number() {
    let other = CREDENTIAL.replace("AKIDEXAMPLE", "AKIDOTHER");
    let without_policy = other.replace("wallet.json", "other.json");
    let without_id = other.replace("AKIDOTHER", "AKID OTHER");
    let without_policy = without_policy.replace("role/wallet", "role/other");
    for (second, expected) in [
        (
            CREDENTIAL.to_owned(),
            "[[credential]] numbers 1 and 2 have the same access_key_id: remove one of them",
        ),
        (
            [&other, CREDENTIAL].concat(),
            "[[credential]] numbers 1 and 3 have the same access_key_id: remove one of them",
        ),
        (
            without_id,
            "[[credential]] number 2: access_key_id is invalid: use 1 to 128 letters, digits and \
             underscores",
        ),
        (
            without_policy,
            "[[credential]] number 2: other.json: No such file or directory (os error 2)",
        ),
    ] {
        let error = error_text(&production(&[CREDENTIAL, &second].concat()), Profile::Production);
        assert_eq!(error, expected);
    }
}

#[test]
fn rejects_session_token_that_no_header_can_carry() {
    let with = |token: &str| {
        let text = production(&format!("{CREDENTIAL}session_token = \"{token}\"\n"));
        settings(&text, Profile::Production).map_err(|error| error.to_string())
    };
    for token in ["a", "IQoJb3JpZ2luX2Vj//token+==", "two words", &"a".repeat(8192)] {
        assert!(with(token).is_ok(), "{token}");
    }
    for token in [" ", " a", "a ", "a\\n", "a\\tb", "a\\u0000", "\u{e9}", &"a".repeat(8193)] {
        let error = with(token).unwrap_err();
        let expected = "enclave.toml: [[credential]] number 1: session_token cannot be sent in a \
                        header: use at most 8192 bytes of printable ASCII, without a space at \
                        either end";
        assert!(error.ends_with(expected), "{token}: {error}");
    }
}

#[test]
fn credentials_of_one_principal_must_share_its_policies() {
    let second = CREDENTIAL.replace("AKIDEXAMPLE", "AKIDOTHER");
    let both = production(&[CREDENTIAL, &second].concat());
    assert!(settings(&both, Profile::Production).is_ok());
    let disagreeing = second.replace("[\"wallet.json\"]", "[]");
    let error = error_text(&production(&[CREDENTIAL, &disagreeing].concat()), Profile::Production);
    assert_eq!(
        error,
        "[[credential]] number 2: number 1 lists other policies for \
         arn:aws:iam::123456789012:role/wallet: policies belong to the principal, so list the \
         same files in both"
    );
}

#[test]
fn reads_expiry_as_text_and_as_toml_datetime() {
    for expires in ["\"2027-01-31T12:00:00Z\"", "2027-01-31T12:00:00Z", "2027-01-31T13:00:00+01:00"]
    {
        let text = production(&format!("{CREDENTIAL}expires = {expires}\n"));
        let config = load(&text).unwrap();
        let moment = UnixMillis::from_rfc3339("2027-01-31T12:00:00Z").unwrap();
        assert_eq!(config.file.credential[0].expires.unwrap().0, moment, "{expires}");
    }
}
