//! Each thing that an enclave must do when it really is one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use attested_recipient::{Client, Credentials};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha384};

use crate::boots::{Boots, Built, image, modules};
use crate::clients::{Outcome, Sdk, TestKey};
use crate::configuration::{IDENTITY, document, pcr, world};
use crate::machine::{Boot, Machine, PARENT_ID, PARENT_ROLE, setting};
use crate::own::OwnDocument;

type Check = fn(&Boots);

pub(crate) const ALL: [(&str, Check); 18] = [
    ("it boots, sends its heartbeat, takes its configuration and is ready", ready),
    ("boto3 gets 1, 32 and 1024 bytes", boto3_plain),
    (
        "boto3 gets sealed bytes for documents under a configured root; OpenSSL opens them",
        boto3_sealed,
    ),
    ("a simulator's document is refused", a_simulators_document),
    ("QEMU's own document, which is not signed, is refused", its_own_document),
    ("PCR0 to PCR2 are those of pcrs.json, PCR3 and PCR4 those of the parent", measurements),
    ("PCR16 and PCR17 are those of the configuration", configuration),
    ("64 clients at a time are served", crowd),
    ("/metrics shows the calls of the NSM and no fault", metrics),
    ("the console shows no secret and nothing of a request", console),
    ("another configuration by one byte shows in PCR16, and in no other register", another_byte),
    ("after a reboot there are other bytes", reboot),
    (
        "with the configuration in the image nothing is asked of the parent, and PCR2 measures it",
        in_image,
    ),
    ("no socket is of another kind than vsock", sockets),
    ("without the driver of the NSM it stops and says so", without_nsm),
    ("with an NSM that gives zeros it stops and says so", with_zeros),
    ("with a configuration that is none it stops and says so", with_a_wrong_configuration),
    ("with a parent that does not answer it stops and says so", without_heartbeat),
];

fn on_first(boots: &Boots, check: impl FnOnce(&Machine)) {
    check(boots.first().as_ref().expect("it was booted"));
}

fn ready(boots: &Boots) {
    on_first(boots, |machine| {
        assert_eq!(machine.get("/readyz"), (200, b"ready\n".to_vec()));
        let console = machine.console();
        assert!(console.contains("started as the enclave's first process modules=5 parent_cid=2"));
        assert!(console.contains("a further root is trusted"), "{console}");
    });
}

fn generate_random(number_of_bytes: usize, document: Option<&[u8]>) -> Value {
    let mut parameters = json!({ "NumberOfBytes": number_of_bytes });
    if let Some(document) = document {
        parameters["Recipient"] = json!({
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": STANDARD.encode(document),
        });
    }
    json!({ "operation": "GenerateRandom", "parameters": parameters })
}

fn boto3(machine: &Machine, calls: &[Value]) -> Vec<Outcome> {
    Sdk::Boto3.call_as(&IDENTITY, machine.url(), calls)
}

const LENGTHS: [usize; 3] = [1, 32, 1024];

fn boto3_plain(boots: &Boots) {
    on_first(boots, |machine| {
        let outcomes = boto3(machine, &LENGTHS.map(|length| generate_random(length, None)));
        let answers: Vec<_> =
            outcomes.iter().map(|outcome| outcome.only_blob("Plaintext")).collect();
        assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), LENGTHS);
        boots.keep(answers);
    });
}

fn boto3_sealed(boots: &Boots) {
    on_first(boots, |machine| {
        for bits in [2048, 3072, 4096] {
            let key = TestKey::of_bits(bits);
            let document = boots.configuration().document(key.document().public_key.unwrap());
            let calls = LENGTHS.map(|length| generate_random(length, Some(&document)));
            let outcomes = boto3(machine, &calls);
            let opened: Vec<_> = outcomes
                .iter()
                .map(|outcome| key.open(&outcome.only_blob("CiphertextForRecipient")))
                .collect();
            assert_eq!(opened.iter().map(Vec::len).collect::<Vec<_>>(), LENGTHS);
            boots.keep(opened);
        }
    });
}

/// The message with which a document is refused.
fn refusal(machine: &Machine, document: &[u8]) -> String {
    let [outcome] = &boto3(machine, &[generate_random(32, Some(document))])[..] else { panic!() };
    assert_eq!(outcome.statuses(), [400]);
    let error = outcome.error.as_ref().unwrap();
    assert_eq!(error.name, "ValidationException");
    error.message.clone()
}

fn a_simulators_document(boots: &Boots) {
    on_first(boots, |machine| {
        let public_key = TestKey::of_bits(2048).document().public_key.unwrap();
        let message = refusal(machine, &document(&world(), public_key));
        assert!(message.contains("trust anchor") || message.contains("root"), "{message}");
    });
}

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn own(machine: &Machine) -> OwnDocument {
    let (status, bytes) = machine.get(&format!("/attestation?nonce={NONCE}"));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    let own = OwnDocument::read(bytes);
    assert_eq!(own.nonce, Some(const_hex::decode(NONCE).unwrap()));
    assert_eq!((&own.user_data, &own.public_key), (&None, &None));
    own
}

fn its_own_document(boots: &Boots) {
    on_first(boots, |machine| {
        let own = own(machine);
        assert_eq!(own.signature, [0; 64]);
        let message = refusal(machine, &own.bytes);
        assert!(message.contains("ES384"), "{message}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("document.bin");
        fs::write(&file, &own.bytes).unwrap();
        let mut verify = Command::new(env!("CARGO_BIN_EXE_attested-recipient"));
        let output = verify.arg("verify").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains("REFUSED  3 COSE headers"), "{report}");
    });
}

/// SHA-384 of 48 zero bytes and of `data`.
fn measured(data: &[u8]) -> [u8; 48] {
    Sha384::new().chain_update([0; 48]).chain_update(data).finalize().into()
}

fn pcrs_of_image(path: &Path) -> Vec<[u8; 48]> {
    let pcrs: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    ["PCR0", "PCR1", "PCR2"].map(|name| pcr(&pcrs[name])).to_vec()
}

fn measurements(boots: &Boots) {
    on_first(boots, |machine| {
        let own = own(machine);
        let expected = pcrs_of_image(&setting("EIF").join("pcrs.json"));
        for (index, value) in (0..).zip(expected) {
            assert_eq!(own.pcrs[&index], value, "PCR{index}");
            assert_ne!(value, [0; 48]);
        }
        assert_eq!(own.pcrs[&3], measured(PARENT_ROLE.as_bytes()));
        assert_eq!(own.pcrs[&4], measured(PARENT_ID.as_bytes()));
        let mut tool = Command::new(env!("CARGO_BIN_EXE_attested-recipient"));
        let output = tool.arg("eif").arg(image()).output().unwrap();
        let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(own.pcrs[&0], pcr(&measured["PCR0"]));
    });
}

fn configuration(boots: &Boots) {
    on_first(boots, |machine| {
        let own = own(machine);
        let [public, secrets] = boots.configuration().pcrs();
        assert_eq!(own.pcrs[&16], public);
        assert_eq!(own.pcrs[&17], secrets);
    });
}

fn client(url: &str) -> Client {
    let credentials =
        Credentials::new(IDENTITY.access_key_id, IDENTITY.secret_access_key, IDENTITY.region);
    let credentials = credentials.with_session_token(IDENTITY.session_token.unwrap());
    Client::new(url).signed_by(credentials)
}

/// As many bytes for each of 64 clients at a time: half of them sealed.
fn of_a_crowd(boots: &Boots, machine: &Machine) -> Vec<Vec<u8>> {
    let key = TestKey::of_bits(2048);
    let document = boots.configuration().document(key.document().public_key.unwrap());
    let url = machine.url();
    let answers = thread::scope(|scope| {
        let clients: Vec<_> = (0..64)
            .map(|number| {
                let (key, document) = (&key, &document);
                scope.spawn(move || match number % 2 {
                    0 => client(url).generate_random(32).unwrap().to_vec(),
                    _ => {
                        let sealed = client(url).generate_random_for(32, document).unwrap();
                        key.open(&sealed)
                    }
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let distinct: BTreeSet<_> = answers.iter().collect();
    assert_eq!((answers.len(), distinct.len()), (64, 64));
    answers
}

fn crowd(boots: &Boots) {
    on_first(boots, |machine| boots.keep(of_a_crowd(boots, machine)));
}

fn metrics(boots: &Boots) {
    on_first(boots, |machine| {
        let (status, text) = machine.get("/metrics");
        assert_eq!(status, 200);
        let text = String::from_utf8(text).unwrap();
        let values = |name: &str| -> Vec<u64> {
            let name = format!("attested_random_{name}");
            let lines = text.lines().filter(|line| line.starts_with(&name));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
        };
        for call in ["GetRandom", "Attestation", "DescribePCR", "ExtendPCR", "LockPCR"] {
            let count = values(&format!("nsm_calls_total{{request=\"{call}\"}}"));
            assert!(matches!(count[..], [count] if count > 0), "{call}: {count:?}");
        }
        let faults = values("nsm_faults_total{");
        assert!(faults.len() > 5 && faults.iter().all(|count| *count == 0), "{text}");
        assert_eq!(values("ready"), [1]);
    });
}

/// Last of the first enclave: all that was asked of it, and what nobody should send.
fn console(boots: &Boots) {
    on_first(boots, |machine| {
        let canary = "canary-request-d41d8cd98f00";
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        for (path, body) in [
            ("/", format!("{{\"NumberOfBytes\":32,\"{canary}\":\"{canary}\"}}")),
            ("/", format!("{{\"NumberOfBytes\":\"{canary}\"}}")),
            ("/", canary.to_owned()),
            (&*format!("/{canary}"), canary.to_owned()),
        ] {
            let response = agent
                .post(format!("{}{path}", machine.url()))
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-target", "TrentService.GenerateRandom")
                .header("user-agent", canary)
                .header("authorization", canary)
                .header("x-amz-security-token", canary)
                .send(&body);
            assert!(response.unwrap().status().is_client_error());
        }
        let console = machine.console();
        let toml = fs::read_to_string(boots.configuration().folder().join("enclave.toml")).unwrap();
        let salt = fs::read(boots.configuration().folder().join("salt")).unwrap();
        let mut secrets: Vec<String> =
            ["canary", "AKIDQEMUTEST", NONCE, "user-data"].map(str::to_owned).to_vec();
        secrets.push(toml.lines().next().unwrap().to_owned());
        for bytes in boots.answers().iter().chain([&salt]).filter(|bytes| bytes.len() >= 32) {
            secrets.push(STANDARD.encode(bytes)[..40].to_owned());
            secrets.push(const_hex::encode(&bytes[..16]));
        }
        assert!(secrets.len() > 150, "{}", secrets.len());
        for secret in secrets {
            assert!(!console.contains(&secret), "the console shows {secret:?}:\n{console}");
        }
        // It is the console that was looked at.
        assert!(console.contains("the NSM gives entropy; in service"), "{console}");
    });
    drop(boots.first().take());
}

fn another_byte(boots: &Boots) {
    let before = boots.configuration().pcrs();
    let machine = boots.second();
    let own = own(machine.as_ref().unwrap());
    let after = boots.configuration().pcrs();
    assert_eq!([&own.pcrs[&16], &own.pcrs[&17]], [&after[0].to_vec(), &after[1].to_vec()]);
    assert_ne!(own.pcrs[&16], before[0]);
    assert_eq!(own.pcrs[&17], before[1]);
    let image = pcrs_of_image(&setting("EIF").join("pcrs.json"));
    assert_eq!([0, 1, 2].map(|index| own.pcrs[&index].clone()).to_vec(), image);
}

fn reboot(boots: &Boots) {
    let before: BTreeSet<_> =
        boots.answers().into_iter().filter(|answer| answer.len() >= 32).collect();
    assert!(before.len() > 64, "the first enclave answered {} times", before.len());
    let mut machine = boots.second();
    let after = of_a_crowd(boots, machine.as_ref().unwrap());
    assert!(after.iter().all(|answer| !before.contains(answer)));
    boots.keep_console(machine.take().unwrap().console());
}

fn in_image(boots: &Boots) {
    let (machine, built) = boots.traced();
    assert_eq!(machine.get("/readyz").0, 200);
    let own = own(&machine);
    let [public, secrets] = boots.configuration().pcrs();
    assert_eq!([&own.pcrs[&16], &own.pcrs[&17]], [&public.to_vec(), &secrets.to_vec()]);
    let [_, boot, application] = pcrs_of_image(&built.pcrs())[..] else { panic!() };
    assert_eq!([&own.pcrs[&1], &own.pcrs[&2]], [&boot.to_vec(), &application.to_vec()]);
    assert_ne!(application, pcrs_of_image(&setting("EIF").join("pcrs.json"))[2]);
    boots.keep_console(machine.console());
}

fn sockets(boots: &Boots) {
    let consoles = boots.consoles_of_traced();
    let [from_parent, in_image] = &consoles[..] else { panic!("two were traced: {consoles:?}") };
    for console in [from_parent, in_image] {
        let families = |call: &str| -> Vec<&str> {
            let start = format!("{call}(family: ");
            let calls = console.lines().filter_map(|line| line.split_once(&start));
            calls.map(|(_, rest)| rest.split(',').next().unwrap()).collect()
        };
        // AF_VSOCK is 40, 0x28. The runtime wakes itself by a pair of AF_UNIX, 1, which reaches nobody.
        let sockets = families("sys_socket");
        assert!(sockets.len() >= 3 && sockets.iter().all(|family| *family == "28"), "{console}");
        let pairs = families("sys_socketpair");
        assert!(!pairs.is_empty() && pairs.iter().all(|family| *family == "1"), "{console}");
        assert_eq!(
            ["sys_bind(", "sys_listen("].map(|call| count(console, call)),
            [1, 1],
            "{console}"
        );
    }
    // The heartbeat and the configuration, or the heartbeat alone: nothing else leaves.
    assert_eq!(count(from_parent, "sys_connect("), 2, "{from_parent}");
    assert_eq!(count(in_image, "sys_connect("), 1, "{in_image}");
    // SIOCSIFFLAGS: lo is brought up.
    assert_eq!(count(in_image, "cmd: 8914,"), 1, "{in_image}");
}

fn count(console: &str, call: &str) -> usize {
    console.lines().filter(|line| line.contains(call)).count()
}

/// What is on the console at the end of an enclave that does not come up.
fn assert_stops(boot: &Boot<'_>, expected: &str) {
    let console = boot.to_end();
    assert!(console.contains("ERROR enclave stops: "), "{console}");
    assert!(console.contains(expected), "{console}");
    assert!(!console.contains("enclave listening on"), "{console}");
}

fn without_nsm(boots: &Boots) {
    let mut modules = modules();
    modules.retain(|module| !module.to_string_lossy().contains("nsm"));
    assert_eq!(modules.len(), 4);
    let built = Built::with(&modules, &["--config-from-parent", "5001"], None);
    let archive = boots.configuration().archive();
    let boot = Boot { image: &built.image(), config: Some(&archive), append: "", preload: None };
    assert_stops(&boot, "the Nitro Secure Module /dev/nsm cannot be opened");
}

fn with_zeros(boots: &Boots) {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("zeros.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qemu/zeros.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().unwrap().success());
    let archive = boots.configuration().archive();
    let boot =
        Boot { image: &image(), config: Some(&archive), append: "", preload: Some(&library) };
    assert_stops(&boot, "the NSM is unhealthy until this service is restarted");
}

fn with_a_wrong_configuration(boots: &Boots) {
    let archive = boots.configuration().archive();
    let mut bytes = fs::read(&archive).unwrap();
    // The mode of the first file: no content, and yet not the same archive.
    bytes[105] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("config.tar");
    fs::write(&changed, bytes).unwrap();
    let boot = Boot { image: &image(), config: Some(&changed), append: "", preload: None };
    assert_stops(&boot, "(parent): it is no tar archive");
}

fn without_heartbeat(boots: &Boots) {
    let archive = boots.configuration().archive();
    // A parent that is another's: nobody is there.
    let boot =
        Boot { image: &image(), config: Some(&archive), append: "parent_cid=7", preload: None };
    assert_stops(&boot, "no heartbeat with the parent, CID 7 port 9000: ");
}
