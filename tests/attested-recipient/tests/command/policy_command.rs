//! Tests of `attested-recipient policy check`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use attested_recipient::{Document, Kind, Simulator};
use tempfile::TempDir;

/// A folder with policies, the root of a simulator, and documents that the simulator signed.
pub(crate) struct Folder {
    folder: TempDir,
    simulator: Simulator,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder =
            Self { folder: tempfile::tempdir().unwrap(), simulator: Simulator::start().unwrap() };
        folder.write("root.pem", folder.simulator.root_certificate_pem());
        folder.attest("enclave.bin", &Document::default());
        folder.attest("debug.bin", &Document { debug: true, ..Document::default() });
        // The instance boots without a kernel command line.
        let pcrs = BTreeMap::from([(12, [0; 48])]);
        let nitro_tpm = Document { kind: Kind::NitroTpm, pcrs, ..Document::default() };
        folder.attest("nitrotpm.bin", &nitro_tpm);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    pub(crate) fn attest(&self, name: &str, document: &Document) {
        self.write(name, self.simulator.document(document).unwrap());
    }

    /// Returns the exit status, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } =
            Command::new(env!("CARGO_BIN_EXE_attested-recipient"))
                .args(arguments)
                .current_dir(self.path())
                .output()
                .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn check(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(&[&["policy", "check"], arguments].concat())
    }
}

/// Returns a policy in JSON. `<00>` and `<a1>` are replaced by 48 such bytes in hexadecimal.
fn policy(statements: &str) -> String {
    let json = format!("{{'Version': '2012-10-17', 'Statement': [\n{statements}\n]}}");
    json.replace('\'', "\"").replace("<00>", &"00".repeat(48)).replace("<a1>", &"a1".repeat(48))
}

const WALLET: &str = "{'Sid': 'OneImage', 'Effect': 'Allow', 'Action': 'kms:GenerateRandom', \
    'Resource': '*', 'Condition': {'StringLike': {'kms:RecipientAttestation:PCR0': '?*'}}},\n\
    {'Effect': 'Deny', 'Action': '*', 'Resource': '*', 'Condition': \
    {'StringEquals': {'kms:RecipientAttestation:PCR0': '<00>'}}}";

#[test]
fn policy_check_prints_deciding_statement_and_reasons() {
    let folder = Folder::new();
    folder.write("wallet.json", policy(WALLET));
    let check = |more: &[&str]| {
        folder.check(
            &[&["--policy", "wallet.json", "--root", "root.pem", "--document"], more].concat(),
        )
    };

    let (code, stdout, stderr) = check(&["enclave.bin"]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((code, stderr.as_str(), lines.len()), (0, "", 3), "{stdout}");
    assert_eq!(lines[0], "allowed by statement \"OneImage\" of wallet.json");
    assert_eq!(lines[1], "statement \"OneImage\" of wallet.json (Allow) applies");
    let reason = "statement 2 of wallet.json (Deny) does not apply: StringEquals \
                  kms:RecipientAttestation:PCR0 \"000000";
    assert!(
        lines[2].starts_with(reason) && lines[2].contains(", but the request has "),
        "{stdout}"
    );

    let (code, stdout, stderr) = check(&["debug.bin"]);
    assert_eq!(code, 1);
    assert!(stdout.starts_with("denied by statement 2 of wallet.json\n"), "{stdout}");
    assert!(stdout.ends_with("\nstatement 2 of wallet.json (Deny) applies\n"), "{stdout}");
    assert!(stderr.contains("the service rejects the document by default, regardless of policies"));

    let (code, stdout, _) = check(&["nitrotpm.bin"]);
    assert_eq!(code, 1);
    assert!(
        stdout.starts_with("not allowed: no statement allows kms:GenerateRandom\n"),
        "{stdout}"
    );
    assert!(stdout.contains("but the request has no kms:RecipientAttestation:PCR0\n"), "{stdout}");
}

#[test]
fn policy_check_evaluates_several_policies_for_each_action() {
    let folder = Folder::new();
    folder.write("wallet.json", policy(WALLET));
    folder.write(
        "stores.json",
        policy("{'Effect': 'Allow', 'Action': 'kms:Describe*', 'Resource': '*'}"),
    );
    let both = ["--policy", "wallet.json", "--policy", "stores.json"];
    let check = |more: &[&str]| folder.check(&[&both, more].concat());
    let (code, stdout, _) = check(&["--action", "KMS:describecustomkeystores"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.starts_with("allowed by statement 1 of stores.json\n"), "{stdout}");
    let (code, stdout, _) = check(&[]);
    assert_eq!((code, stdout.lines().count()), (1, 4), "{stdout}");
    assert!(
        stdout.ends_with("does not apply: its actions do not include kms:GenerateRandom\n"),
        "{stdout}"
    );
}

/// Tests each condition key with a statement that applies only if the request has the key.
#[test]
fn policy_check_accepts_each_context_key() {
    let folder = Folder::new();
    let measured = "a1".repeat(48);
    for (condition, context) in [
        ("'IpAddress': {'aws:SourceIp': '203.0.113.0/24'}", "aws:sourceip=203.0.113.7".to_owned()),
        ("'Bool': {'aws:SecureTransport': 'true'}", "aws:SecureTransport=true".to_owned()),
        (
            "'DateLessThan': {'aws:CurrentTime': '2001-01-01'}",
            "aws:CurrentTime=2000-12-31T23:59:59Z".to_owned(),
        ),
        (
            "'StringLike': {'aws:PrincipalArn': '*:role/a=b'}",
            "aws:PrincipalArn=x:role/a=b".to_owned(),
        ),
        (
            "'StringEquals': {'aws:PrincipalArn': 'arn:aws:iam::123456789012:role/wallet'}",
            "aws:PrincipalArn=arn:aws:sts::123456789012:assumed-role/wallet/session".to_owned(),
        ),
        (
            "'StringEquals': {'kms:RecipientAttestation:ImageSha384': '<a1>'}",
            format!("kms:RecipientAttestation:PCR0={measured}"),
        ),
        (
            "'StringEquals': {'kms:RecipientAttestation:PCR0': '<a1>'}",
            format!("kms:RecipientAttestation:ImageSha384={measured}"),
        ),
        (
            "'StringEquals': {'kms:RecipientAttestation:NitroTPMPCR31': '<a1>'}",
            format!("kms:RecipientAttestation:NitroTPMPCR31={}", measured.to_uppercase()),
        ),
    ] {
        let statement = "'Effect': 'Allow', 'Action': '*', 'Resource': '*'";
        folder.write("p.json", policy(&format!("{{{statement}, 'Condition': {{{condition}}}}}")));
        let (code, stdout, stderr) = folder.check(&["--policy", "p.json", "--context", &context]);
        assert_eq!(code, 0, "{context}: {stdout}{stderr}");
        let (code, stdout, stderr) = folder.check(&["--policy", "p.json"]);
        assert_eq!(code, 1, "without {context}: {stdout}{stderr}");
    }
}

/// Tests that values without an option have the defaults of the service.
#[test]
fn policy_check_prints_warnings_to_stderr_and_decides() {
    let folder = Folder::new();
    let statement = "'Effect': 'Allow', 'Action': '*', 'Resource': '*', 'Condition'";
    let conditions = "'Bool': {'aws:SecureTransport': false}, \
                      'NotIpAddress': {'aws:SourceIp': '10.0.0.0/8'}";
    folder.write("p.json", policy(&format!("{{{statement}: {{{conditions}}}}}")));
    let (code, stdout, stderr) = folder.check(&["--policy", "p.json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(
        stderr,
        "attested-recipient: warning: statement 1 of p.json: NotIpAddress aws:SourceIp always \
         matches: no request carries the key; set [server] proxy_protocol = true\n"
    );
    let from = ["--policy", "p.json", "--context", "aws:SourceIp=192.0.2.7"];
    assert_eq!(folder.check(&from).2, "");
    let over_tls = ["--policy", "p.json", "--context", "aws:SecureTransport=true"];
    let (code, stdout, stderr) = folder.check(&over_tls);
    assert_eq!(code, 1, "{stdout}{stderr}");
}

#[test]
fn rejects_files_over_one_mebibyte() {
    let folder = Folder::new();
    let padded = |length: usize| {
        let json = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        format!("{json}{}", " ".repeat(length - json.len()))
    };
    folder.write("longest.json", padded(1024 * 1024));
    folder.write("too-long.json", padded(1024 * 1024 + 1));
    let (code, stdout, stderr) = folder.check(&["--policy", "longest.json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let document = ["--policy", "longest.json", "--document"];
    for (arguments, path) in [
        (vec!["--policy", "too-long.json"], "too-long.json"),
        ([&document[..], &["too-long.json"]].concat(), "too-long.json"),
        // These files have no end.
        (vec!["--policy", "/dev/zero"], "/dev/zero"),
        ([&document[..], &["/dev/zero"]].concat(), "/dev/zero"),
    ] {
        let expected = format!("attested-recipient: {path}: the file is longer than 1 MiB\n");
        assert_eq!(folder.check(&arguments), (2, String::new(), expected), "{arguments:?}");
    }
}

#[test]
fn wrong_policies_and_contexts_exit_with_2() {
    let folder = folder_with_wrong_files();
    let (pcr0, image) = (pcr("PCR0"), pcr("ImageSha384"));
    let (pcr1, tpm) = (pcr("PCR1"), pcr("NitroTPMPCR4"));
    for (arguments, expected) in [
        (vec![], "--policy <FILE>"),
        (vec!["--policy", "absent.json"], "absent.json: No such file"),
        (
            vec!["--policy", "p.json", "--policy", "bad.json"],
            "bad.json: line 3 column 2: unknown element \"Actions\"; known are Sid, ",
        ),
        (vec!["--policy", "p.json", "--context", "aws:SourceIp"], "expected KEY=VALUE"),
        (
            vec!["--policy", "p.json", "--context", "aws:UserAgent=x"],
            "unknown condition key \"aws:UserAgent\"; supported keys are kms:RecipientAttestation:ImageSha384, ",
        ),
        (vec!["--policy", "p.json", "--context", "aws:SourceIp=x"], "expected an IP address"),
        (
            vec!["--policy", "p.json", "--context", "aws:SecureTransport=1"],
            "expected true or false",
        ),
        (vec!["--policy", "p.json", "--context", "aws:CurrentTime=now"], "expected a time such as"),
        (
            vec!["--policy", "p.json", "--context", "kms:RecipientAttestation:PCR0=a1"],
            "expected 48 bytes in hexadecimal",
        ),
        (
            vec!["--policy", "p.json", "--context", &pcr0, "--context", &pcr0],
            "--context kms:RecipientAttestation:PCR0 is given twice",
        ),
        (vec!["--policy", "p.json", "--context", &pcr0, "--context", &image], "gives PCR0 twice"),
        (vec!["--policy", "p.json", "--context", &pcr1, "--context", &tpm], "has PCRs of both"),
    ] {
        assert_wrong_use(&folder, &arguments, expected);
    }
}

#[test]
fn wrong_documents_and_actions_exit_with_2() {
    let folder = folder_with_wrong_files();
    let pcr1 = pcr("PCR1");
    let document = ["--document", "enclave.bin", "--root", "root.pem"];
    for (arguments, expected) in [
        (
            [&["--policy", "p.json", "--context", &pcr1], &document[..]].concat(),
            "--document already contains the measurements",
        ),
        (
            [&["--policy", "p.json", "--action", "kms:DescribeCustomKeyStores"], &document[..]]
                .concat(),
            "kms:DescribeCustomKeyStores has no Recipient",
        ),
        (vec!["--policy", "p.json", "--action", "kms:Decrypt"], "kms:DescribeCustomKeyStores"),
        (vec!["--policy", "p.json", "--root", "root.pem"], "--root requires --document"),
        (
            vec!["--policy", "p.json", "--document", "enclave.bin"],
            "enclave.bin: the document does not verify, so no policy is evaluated: ",
        ),
        (
            vec!["--policy", "p.json", "--document", "garbage.bin", "--root", "root.pem"],
            "garbage.bin: the document does not verify, so no policy is evaluated: ",
        ),
        (
            vec!["--policy", "p.json", "--document", "enclave.bin", "--root", "garbage.bin"],
            "garbage.bin: ",
        ),
    ] {
        assert_wrong_use(&folder, &arguments, expected);
    }
}

/// Returns a folder with a valid policy, an invalid one, and a file that is neither a document nor a
/// root.
fn folder_with_wrong_files() -> Folder {
    let folder = Folder::new();
    folder.write("p.json", policy(WALLET));
    folder.write("bad.json", policy("{'Effect': 'Allow',\n 'Actions': '*'}"));
    folder.write("garbage.bin", "garbage");
    folder
}

/// Returns the value of `--context` for a condition key of measurements.
fn pcr(name: &str) -> String {
    format!("kms:RecipientAttestation:{name}={}", "a1".repeat(48))
}

fn assert_wrong_use(folder: &Folder, arguments: &[&str], expected: &str) {
    let (code, stdout, stderr) = folder.check(arguments);
    assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
    assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
}
