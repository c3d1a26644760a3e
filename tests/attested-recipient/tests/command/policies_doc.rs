//! Checks that the policies of docs/policies.md decide as documented. Checks that the commands of the
//! page print the output that the page shows.

use std::collections::BTreeSet;

use crate::policy_command::Folder;

const PAGE: &str = include_str!("../../../../docs/policies.md");

/// The condition that the page adds to a policy, so that requests without a Recipient are not denied.
const IF_ANY: &str = r#""Null": { "kms:RecipientAttestation:PCR0": "false" }"#;

const ALLOW_ALL: &str =
    r#"{"Statement": {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

/// Returns the fenced blocks of one kind. Each block comes with the text before it.
fn blocks(kind: &str) -> Vec<(&'static str, &'static str)> {
    let mut rest = PAGE;
    let mut blocks = Vec::new();
    while let Some((before, after)) = rest.split_once("```") {
        let (block, after) = after.split_once("```").unwrap();
        if let Some(content) = block.strip_prefix(kind) {
            blocks.push((before, content.trim_start_matches('\n')));
        }
        rest = after;
    }
    blocks
}

/// Returns the policies of the page, each with the file name in the text before it, such as
/// `one-image.json`.
fn policies() -> Vec<(&'static str, &'static str)> {
    let name = |before: &'static str| before.trim_end().strip_suffix("`:")?.rsplit('`').next();
    blocks("json").into_iter().map(|(before, json)| (name(before).unwrap(), json)).collect()
}

fn folder() -> Folder {
    let folder = Folder::new();
    for (name, json) in policies() {
        folder.write(name, json);
    }
    folder.write("all.json", ALLOW_ALL);
    assert!(PAGE.contains(&format!("`{IF_ANY}` beside `\"StringNotEquals\"`")));
    let (_, only) =
        policies().into_iter().find(|(name, _)| *name == "only-one-image.json").unwrap();
    let negated = "\"StringNotEquals\"";
    folder.write("or-plain.json", only.replace(negated, &format!("{IF_ANY}, {negated}")));
    folder
}

#[test]
fn policies_in_docs_decide_as_documented() {
    let folder = folder();
    let mut named = BTreeSet::new();
    let not_allowed = "not allowed: no statement allows kms:GenerateRandom";
    let image = "allowed by statement \"OneImage\" of one-image.json";
    let signer = "allowed by statement \"OneSigner\" of one-signer.json";
    let machine = "allowed by statement \"OneMachineImage\" of nitrotpm.json";
    let no_debug = "denied by statement \"NoDebug\" of no-debug.json";
    let all = "allowed by statement \"All\" of all.json";
    let only = "denied by statement \"OnlyOneImage\" of only-one-image.json";
    let if_any = "denied by statement \"OnlyOneImage\" of or-plain.json";
    let plain = "allowed by statement \"Any\" of or-plain.json";
    // The expected results, in this order: with a document of an enclave, of an enclave in debug mode
    // and of a NitroTPM, and without a document.
    for (policies, expected) in [
        (vec!["one-image.json"], [image, not_allowed, not_allowed, not_allowed]),
        // The simulator's debug mode does not change PCR8.
        (vec!["one-signer.json"], [signer, signer, not_allowed, not_allowed]),
        (vec!["one-signer.json", "no-debug.json"], [signer, no_debug, not_allowed, not_allowed]),
        (vec!["nitrotpm.json"], [not_allowed, not_allowed, machine, not_allowed]),
        (vec!["no-debug.json"], [not_allowed, no_debug, not_allowed, not_allowed]),
        (vec!["all.json", "no-debug.json"], [all, no_debug, all, all]),
        (
            vec!["only-one-image.json"],
            ["allowed by statement \"Any\" of only-one-image.json", only, only, only],
        ),
        (vec!["or-plain.json"], [plain, if_any, plain, plain]),
    ] {
        let mut arguments = vec!["policy", "check"];
        for policy in &policies {
            arguments.extend(["--policy", policy]);
            named.insert(*policy);
        }
        let documents = [Some("enclave.bin"), Some("debug.bin"), Some("nitrotpm.bin"), None];
        for (document, expected) in documents.into_iter().zip(expected) {
            let mut arguments = arguments.clone();
            if let Some(document) = document {
                arguments.extend(["--root", "root.pem", "--document", document]);
            }
            let (_, stdout, stderr) = folder.run(&arguments);
            assert_eq!(stdout.lines().next(), Some(expected), "{arguments:?}: {stderr}");
        }
    }
    for (name, _) in policies() {
        assert!(named.contains(name), "{name} of the page is not tried");
    }
}

#[test]
fn commands_in_docs_print_the_shown_output() {
    let folder = folder();
    let commands = blocks("console");
    assert_eq!(commands.len(), 3);
    for (_, block) in commands {
        let (command, output) = block.split_once('\n').unwrap();
        let mut arguments: Vec<&str> = command.split(' ').collect();
        assert_eq!(arguments.drain(..2).collect::<Vec<_>>(), ["$", "attested-recipient"]);
        if arguments.contains(&"--document") {
            arguments.extend(["--root", "root.pem"]);
        }
        let (code, stdout, stderr) = folder.run(&arguments);
        assert_eq!(stdout, output, "{command}: {stderr}");
        assert_eq!(code == 0, output.starts_with("allowed"), "{command}");
    }
}
