//! Secrets in errors and debug output.

use super::*;

#[test]
fn errors_never_contain_a_misplaced_secret() {
    let credential =
        |line: &str| sigv4(&format!("[[credential]]\naccess_key_id = \"A\"\n{line}\n"));
    for line in [
        // The value is not a string. The default message of serde would contain the value.
        "secret_access_key = 7319441377",
        "secret_access_key = 7319441377.5",
        "secret_access_key = [\"7319441377\"]",
        "secret_access_key = { a = \"7319441377\" }",
        "secret_access_key = 1977-05-27T07:32:00Z # 7319441377",
        "session_token = 7319441377",
        // The line is not TOML. The default message of the parser quotes the line.
        "secret_access_key = \"7319441377",
        "secret_access_key = 7319441377x",
        "secret_access_key = '7319441377\"",
        "secret_access_key \"7319441377\"",
        // The secret is in place of another value.
        "secret_acess_key = \"7319441377\"",
    ] {
        let error = load(&credential(line)).unwrap_err();
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("73194"), "{line}: {text}");
            assert!(text.contains("line 6") || text.contains("line: 6"), "{line}: {text}");
        }
    }
    let misplaced = CREDENTIAL.replace("\"AKIDEXAMPLE\"", &format!("\"{SECRET}\""));
    let error = error_text(&production(&misplaced), Profile::Production);
    assert_eq!(
        error,
        "[[credential]] number 1: access_key_id is invalid: use 1 to 128 letters, digits and \
         underscores"
    );
}

#[test]
fn errors_never_contain_a_string_value() {
    // A secret that looks like part of a parser message is also removed.
    for secret in ["7319441377/a", "7319, expected 73194", "73194`, expected `73194"] {
        for (from, to) in [
            ("mode = \"sigv4\"", "mode = SECRET"),
            ("\"eu-west-1\"", "SECRET"),
            ("\"AKIDEXAMPLE\"", "SECRET"),
            ("\"arn:aws:iam::123456789012:role/wallet\"", "SECRET"),
            ("[\"wallet.json\"]", "SECRET"),
            ("policies", "expires = SECRET\npolicies"),
            ("[[credential]]", "[recipient]\nrequire = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmax_age = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nallow_debug = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nplaintext = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmeasurements = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmeasurements = [SECRET]\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmeasurements = [{ PCR0 = SECRET }]\n[[credential]]"),
            ("[[credential]]", "[throttle]\nrequests_per_second_total = SECRET\n[[credential]]"),
            ("[[credential]]", "[entropy]\nprefetch = SECRET\n[[credential]]"),
            ("[[credential]]", "[entropy]\nreseed = SECRET\n[[credential]]"),
            ("[[credential]]", "[platform]\nclocksources = SECRET\n[[credential]]"),
            ("[[credential]]", "[platform]\nclocksources = [[SECRET]]\n[[credential]]"),
            (TLS_OFF, "[tls]\nmode = SECRET\n"),
            (TLS_OFF, "[tls]\nnames = SECRET\n"),
            (TLS_OFF, "[tls]\nmode = 'attested'\nnames = [SECRET]\n"),
            (TLS_OFF, "[tls]\nmode = 'attested'\nnames = ['a', SECRET]\n"),
            (TLS_OFF, "[tls]\nprivate_key = SECRET\n"),
            (TLS_OFF, "[tls]\nprivate_key = [SECRET]\n"),
            (
                TLS_OFF,
                "[tls]\nmode = 'provided'\ncertificate = 'wallet.json'\nprivate_key = SECRET\n",
            ),
            (TLS_OFF, "[tls]\ncertificate = [SECRET]\n"),
            (TLS_OFF, "tls = SECRET\n"),
            (TLS_OFF, "tls = ['provided', [], 'wallet.json', SECRET]\n"),
            ("[[credential]]", "[trust]\nanchors = SECRET\n[[credential]]"),
            ("[[credential]]", "[trust]\nanchors = [{ SECRET = 1 }]\n[[credential]]"),
            ("[[credential]]", "[[credential]]\n[credential.secret_access_key]\na = SECRET"),
            ("[tls]\nmode = \"off\"\n[auth]", "auth = SECRET"),
            ("[tls]", "throttle = SECRET\n[tls]"),
            ("[tls]", "credential = SECRET\n[tls]"),
            ("[tls]", "credential = [SECRET]\n[tls]"),
        ] {
            let changed = production(CREDENTIAL).replacen(from, to, 1);
            let text = changed.replace("SECRET", &format!("'{secret}'"));
            assert_ne!(text, production(CREDENTIAL), "{from}");
            let error = settings(&text, Profile::Production).unwrap_err();
            for text in [error.to_string(), format!("{error:?}")] {
                assert!(!text.contains("7319"), "{to}: {text}");
            }
        }
    }
}

#[test]
fn debug_output_contains_no_secret() {
    let text = production(&format!("{CREDENTIAL}session_token = \"{SECRET}\"\n"));
    let config = load(&text).unwrap();
    assert!(!format!("{config:?} {config:#?}").contains("wJalr"));
    let settings = settings(&text, Profile::Production).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("AKIDEXAMPLE") && !shown.contains("wJalr"), "{shown}");
}
