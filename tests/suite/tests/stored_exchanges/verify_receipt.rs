//! Tests of `attested-recipient verify-receipt`.

use attestation::receipt::ReceiptOperation;
use serde_json::Value;

use crate::enclave::{Bodies, Enclave, NONCE, hours_ago, measurements_json, plain, request, run};

#[test]
fn prints_every_step_and_what_is_proved() {
    let enclave = Enclave::start();
    let file = enclave.file("a.json", &*enclave.exchange(&enclave.sealed(), |_| ()).to_json());
    let nonce = const_hex::encode(NONCE);
    let run = enclave.verify(&[&file, "--nonce", &nonce]);
    let warning = "attested-recipient: warning: --simulator accepts simulators, which sign documents with any \
                   measurements: NOTHING IS PROVED\n";
    assert_eq!((run.status, &*run.stderr), (0, warning), "{run:?}");
    let steps = run.stdout.lines().take_while(|line| *line != "verified").collect::<Vec<_>>();
    let expected = [
        "waived    1 status: a stored exchange has no HTTP status",
        "ok        2 form",
        "ok        3 key",
        "ok        4 document",
        "ok        5 measurements",
        "ok        6 freshness",
        "ok        7 signature",
        "ok        8 binding",
        "ok        9 content",
        "waived   10 time: a stored exchange is not compared with the current time",
        "ok       11 nonce as expected",
    ];
    assert_eq!(steps, expected);
    for (name, value) in [
        ("operation", "GenerateRandom"),
        ("seq", "7"),
        ("src", "nsm"),
        ("nonce", &*nonce),
        ("module_id", "simulated-i-00000000000000000-enc0000000000000000"),
        ("measurements", &*enclave.measurements()),
    ] {
        assert!(run.stdout.contains(&format!("  {name:<13} {value}\n")), "{name}: {run:?}");
    }
}

#[test]
fn json_report_has_steps_and_facts() {
    let enclave = Enclave::start();
    let file = enclave.file("a.json", &*enclave.exchange(&plain(), |_| ()).to_json());
    let run = enclave.verify(&[&file, "--output", "json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let (file_name, exchange) =
        (&report["exchanges"][0]["file"], &report["exchanges"][0]["report"]);
    assert_eq!((&report["verified"], &exchange["verified"]), (&true.into(), &true.into()));
    assert_eq!((&exchange["steps"][4]["result"], file_name), (&"ok".into(), &file.into()));
    assert_eq!(
        (&exchange["proved"]["seq"], &exchange["proved"]["src"]),
        (&7.into(), &"nsm".into())
    );
}

#[test]
fn rejects_each_step_with_its_reason() {
    let enclave = Enclave::start();
    let other = Enclave::start();
    let bodies = enclave.sealed();
    let swapped = |request: &[u8], response: &[u8]| Bodies {
        request: request.to_vec(),
        response: response.to_vec(),
        ..enclave.sealed()
    };
    let signed = enclave.exchange(&bodies, |_| ());
    let with = |bodies: &Bodies, document: &[u8]| {
        let (request, response) = (bodies.request.clone(), bodies.response.clone());
        let receipt = signed.receipt().to_owned();
        attested_recipient::StoredExchange::new(request, response, receipt, document.to_vec())
            .unwrap()
    };
    for (exchange, check) in [
        (
            with(&bodies, &other.identity_document(0)),
            " 4 document: the enclave's document is rejected",
        ),
        (
            with(&bodies, &enclave.document(None, None)),
            " 4 document: the enclave's document has no user_data",
        ),
        (
            with(&swapped(&request(21, None), &bodies.response), signed.document()),
            " 8 binding: the receipt is of another request",
        ),
        (
            with(&swapped(&bodies.request, &plain().response), signed.document()),
            " 8 binding: the receipt is of another response",
        ),
        (
            enclave.exchange(&bodies, |receipt| receipt.source = Some("cks-1")),
            " 9 content: the bytes come from the custom key store cks-1",
        ),
        (
            enclave.exchange(&bodies, |receipt| receipt.content_key_digest = None),
            " 9 content: the response is sealed, but the receipt has no cek",
        ),
        (
            enclave.exchange(&plain(), |receipt| receipt.content_key_digest = Some([1; 32])),
            " 9 content: the receipt has a cek",
        ),
        (
            enclave.exchange(&bodies, |receipt| receipt.time = hours_ago(49)),
            " 6 freshness: the enclave's document is of",
        ),
        (
            enclave.exchange(&bodies, |receipt| receipt.request_id = "short"),
            " 2 form: the receipt has another payload",
        ),
    ] {
        let file = enclave.file("rejected.json", &*exchange.to_json());
        enclave.verify(&[&file]).assert_rejects(check);
    }
    // The other enclave's document verifies under its own root, but attests another key.
    let file = enclave.file("other.json", &*with(&bodies, &other.identity_document(0)).to_json());
    other.verify(&[&file]).assert_rejects(" 3 key: the receipt is of the key");
}

#[test]
fn judges_document_at_its_own_time() {
    let enclave = Enclave::start();
    let document = enclave.identity_document(200 * 24 * 3600);
    let exchange = enclave.exchange_with_document(document, &enclave.sealed(), |receipt| {
        receipt.time = hours_ago(200 * 24);
    });
    let file = enclave.file("old.json", &*exchange.to_json());
    assert_eq!(enclave.verify(&[&file]).status, 0);
}

#[test]
fn accepts_key_store_and_operation_when_allowed() {
    let enclave = Enclave::start();
    let exchange = enclave.exchange(&enclave.sealed(), |receipt| receipt.source = Some("cks-1"));
    let file = enclave.file("a.json", &*exchange.to_json());
    assert_eq!(enclave.verify(&[&file, "--allow-key-store", "cks-1"]).status, 0);
    enclave
        .verify(&[&file, "--allow-key-store", "cks-2"])
        .assert_rejects("which you did not allow");
    let describe = Bodies {
        request: b"{}".to_vec(),
        response: br#"{"CustomKeyStores":[],"Truncated":false}"#.to_vec(),
        content_key_digest: None,
    };
    let exchange = enclave.exchange(&describe, |receipt| {
        receipt.operation = ReceiptOperation::DescribeCustomKeyStores;
        receipt.source = None;
    });
    let file = enclave.file("b.json", &*exchange.to_json());
    let run = enclave.verify(&[&file]);
    assert!(run.stdout.contains("DescribeCustomKeyStores") && run.status == 0, "{run:?}");
}

#[test]
fn rejects_other_nonce_and_other_measurements() {
    let enclave = Enclave::start();
    let file = enclave.file("a.json", &*enclave.exchange(&enclave.sealed(), |_| ()).to_json());
    enclave
        .verify(&[&file, "--nonce", "00"])
        .assert_rejects("11 nonce as expected: the nonce is 5e");
    let root = enclave.root();
    let verify = |arguments: &[&str]| {
        run(&[&["verify-receipt", &file, "--simulator", "--root", &root], arguments].concat())
    };
    let other = enclave.file("other.json", measurements_json(&[("PCR16", &"17".repeat(48))]));
    verify(&["--any-of", &other])
        .assert_rejects(" 5 measurements: the enclave matches no expected set");
    let held = enclave.measurements();
    assert_eq!(verify(&["--any-of", &other, "--any-of", &held]).status, 0);
    let ended = measurements_json(&[("not_after", "2026-01-31T00:00:00Z")]);
    let ended = enclave.file("ended.json", ended);
    verify(&["--pcrs-file", &ended]).assert_rejects(" 5 measurements:");
    // Every --pcr belongs to each set.
    let pcr4 = format!("4={}", "44".repeat(48));
    verify(&["--any-of", &held, "--pcr", &pcr4]).assert_rejects(" 5 measurements:");
}

#[test]
fn rejects_key_and_number_twice_in_a_set() {
    let (enclave, other) = (Enclave::start(), Enclave::start());
    let bodies = enclave.sealed();
    let file = |name: &str, enclave: &Enclave, sequence: u64| {
        let exchange = enclave.exchange(&bodies, |receipt| receipt.sequence = sequence);
        enclave.file(name, &*exchange.to_json())
    };
    let (first, second) = (file("1.json", &enclave, 1), file("2.json", &enclave, 2));
    let third = file("3.json", &other, 1);
    let root = other.root();
    let run = enclave.verify(&[&first, &second, &third, "--root", &root]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(run.stdout.matches("ok       11 key and number occur once").count(), 3, "{run:?}");
    let again = file("again.json", &enclave, 1);
    let run = enclave.verify(&[&first, &second, &again]);
    run.assert_rejects("11 key and number occur once: two receipts of the key");
    assert!(run.stdout.contains(&format!("{again}:\n")), "{run:?}");
}

#[test]
fn simulator_needs_its_option_and_its_root() {
    let enclave = Enclave::start();
    let file = enclave.file("a.json", &*enclave.exchange(&enclave.sealed(), |_| ()).to_json());
    let (root, held) = (enclave.root(), enclave.measurements());
    let without = run(&["verify-receipt", &file, "--any-of", &held, "--root", &root]);
    without.assert_rejects(" 4 document: the document is of a simulator");
    let without = run(&["verify-receipt", &file, "--any-of", &held]);
    without.assert_rejects(" 4 document: the document is of a simulator");
    let no_root = run(&["verify-receipt", &file, "--any-of", &held, "--simulator"]);
    no_root.assert_rejects(" 4 document: the enclave's document is rejected");
    let no_set = run(&["verify-receipt", &file, "--simulator", "--root", &root]);
    assert_eq!(no_set.status, 0, "{no_set:?}");
    assert!(no_set.stdout.contains("waived    5 measurements: not compared"), "{no_set:?}");
    assert_eq!(no_set.stderr.matches("NOTHING IS PROVED").count(), 1, "{no_set:?}");
}

#[test]
fn invalid_options_and_files_have_status_2() {
    let enclave = Enclave::start();
    let json = enclave.exchange(&enclave.sealed(), |_| ()).to_json();
    let file = enclave.file("a.json", &*json);
    let pcr = |index: u8| format!("{index}={}", "16".repeat(48));
    let (pcr0, pcr8, pcr16) = (pcr(0), pcr(8), pcr(16));
    run(&["verify-receipt", &file]).assert_usage("no measurement is expected");
    run(&["verify-receipt", &file, "--pcr", &pcr8]).assert_usage("--pcr: no value of PCR0");
    let no_configuration = ["verify-receipt", &file, "--pcr", &pcr0, "--pcr", &pcr8];
    run(&no_configuration).assert_usage("--pcr: no value of PCR16");
    run(&[&no_configuration[..], &["--simulator"]].concat()).assert_usage("no value of PCR16");
    let pcrs = ["--pcr", &pcr0, "--pcr", &pcr16];
    for (name, content, text) in [
        ("array.json", "[]".to_owned(), "not a stored exchange"),
        ("more.json", json.replacen('{', r#"{"pcrs": "","#, 1), "unknown field"),
        ("short.json", json.replacen('=', "", 1), "not base64"),
        (
            "long.json",
            json.replacen('{', &format!("{{{}", " ".repeat(256 * 1024)), 1),
            "longer than 256 KiB",
        ),
    ] {
        let changed = enclave.file(name, content);
        run(&[&["verify-receipt", &changed], &pcrs[..]].concat()).assert_usage(text);
    }
    let several =
        |option: [&str; 2]| enclave.verify(&[&[file.as_str(), &file], &option[..]].concat());
    several(["--nonce", "00"]).assert_usage("--nonce belongs to one exchange");
    several(["--disclosure", &file]).assert_usage("--disclosure belongs to one exchange");
    enclave.verify(&[&file, "--disclosure", &file]).assert_usage("32 bytes in hexadecimal");
}
