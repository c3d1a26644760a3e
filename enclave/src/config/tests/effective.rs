//! The printed effective configuration.

use toml::{Table, Value};

use super::*;

fn effective(text: &str, profile: Profile) -> Table {
    let arguments =
        Arguments { listen: Some("127.0.0.1:1".parse().unwrap()), ..Arguments::default() };
    let config = load(text).unwrap();
    let server = config.server(&arguments).unwrap();
    config.effective(&server, profile).unwrap()
}

fn lookup<'a>(table: &'a Table, name: &str, key: &str) -> Option<&'a Value> {
    table.get(name)?.get(key)
}

/// Loads the printed configuration again.
#[test]
fn printed_configuration_reloads_to_the_same_settings() {
    let intervals = "[entropy]\nreseed = \"interval\"\nreseed_generate_calls = 7\n";
    let intervals_alone = "[entropy]\nreseed = \"interval\"\nprefetch = 1\n";
    let open = "[tls]\nmode = \"off\"\n[auth]\nmode = \"none\"\n[recipient]\nrequire = true\nmax_age = \"chain\"\n";
    let attested = "[tls]\nmode = \"attested\"\nnames = [\"a.example\"]\n";
    let more = production(&format!(
        "[recipient]\nplaintext = \"always\"\n[verification]\nthreads = 3\n\
         {CREDENTIAL}session_token = 'a'\nexpires = 2027-01-31T12:00:00Z\n"
    ));
    for (text, profile) in [
        ("", Profile::Development),
        (intervals, Profile::Development),
        (intervals_alone, Profile::Development),
        (attested, Profile::Development),
        (open, Profile::Production),
        (&production(CREDENTIAL), Profile::Production),
        (&more, Profile::Production),
    ] {
        let printed = effective(text, profile).to_string();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("wallet.json"), POLICY).unwrap();
        fs::write(folder.path().join("salt"), [7; 32]).unwrap();
        let path = folder.path().join("enclave.toml");
        let shown = |text: &str| {
            fs::write(&path, text).unwrap();
            let mut settings = Config::load(Some(&path)).unwrap().settings(profile).unwrap();
            // The measurement depends on the text.
            settings.measurement = None;
            format!("{settings:?}")
        };
        assert_eq!(shown(&printed), shown(text), "{printed}");
        let again = effective(&printed, profile);
        assert_eq!(again.to_string(), printed);
    }
}

#[test]
fn prints_every_documented_default() {
    let page = include_str!("../../../../docs/configuration.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let documented: Table = toml::from_str(text).unwrap();
    let printed = effective(&production(CREDENTIAL), Profile::Production);
    for (name, table) in &documented {
        let Value::Table(table) = table else { continue };
        for (key, value) in table {
            let found = lookup(&printed, name, key);
            let is_example =
                ["listen", "admin_listen", "log_endpoint", "threads"].contains(&&**key);
            assert!(found.is_some() || is_example, "[{name}] {key}");
            assert!(found == Some(value) || is_example, "[{name}] {key}: {found:?}");
        }
    }
}

#[test]
fn prints_tls_mode_default_in_development_only() {
    let mode = |profile| {
        let printed = effective("", profile);
        lookup(&printed, "tls", "mode").and_then(Value::as_str).map(str::to_owned)
    };
    assert_eq!(mode(Profile::Development).as_deref(), Some("off"));
    assert_eq!(mode(Profile::Production), None);
}

#[test]
fn printed_configuration_contains_no_secret() {
    let text = production(&format!(
        "{CREDENTIAL}session_token = '''\nwJalrXUtnFEMI'''  # wJalrXUtnFEMI\n"
    ));
    let printed = effective(&text, Profile::Production);
    let text = printed.to_string();
    assert!(!text.contains("wJalr") && text.contains("AKIDEXAMPLE"), "{text}");
    for key in ["secret_access_key", "session_token"] {
        assert_eq!(printed["credential"][0][key].as_str(), Some("(redacted)"));
    }
}

#[test]
fn prints_server_table_merged_with_flags() {
    let printed =
        effective("[server]\nlisten = \"unix:a\"\nlog_level = \"warn\"\n", Profile::Development);
    let server = printed["server"].to_string();
    assert_eq!(lookup(&printed, "server", "listen").unwrap().as_str(), Some("tcp:127.0.0.1:1"));
    assert_eq!(lookup(&printed, "server", "log_level").unwrap().as_str(), Some("warn"));
    assert_eq!(lookup(&printed, "server", "log_format").unwrap().as_str(), Some("text"));
    assert!(!server.contains("admin_listen") && !server.contains("log_endpoint"), "{server}");
}

#[test]
fn prints_key_store_defaults() {
    let text = "[[key_store]]\nid = \"cks-1234567890abcdef0\"\nname = \"a\"\ntype = \"AWS_CLOUDHSM\"\n\
                module = \"/a.so\"\nslot = 1\npin_file = \"pin\"\ncluster_id = \"cluster-1234567890a\"\n\
                [[key_store]]\nid = \"cks-1234567890abcdef1\"\nname = \"b\"\n\
                type = \"EXTERNAL_KEY_STORE\"\nuri = \"https://a.example/kms/xks/v1\"\n";
    let printed = effective(text, Profile::Development);
    let stores = printed["key_store"].as_array().unwrap();
    assert_eq!(stores[0]["deadline_ms"].as_integer(), Some(500));
    assert_eq!(stores[0]["connect"].as_bool(), Some(true));
    assert_eq!(stores[1].as_table().unwrap().len(), 4);
}

#[cfg(feature = "simulator")]
#[test]
fn prints_simulator_table_in_development_only() {
    let printed = effective("[simulator.nsm]\nfault = \"hang\"\n", Profile::Development);
    assert_eq!(printed["simulator"].to_string(), "{ nsm = { fault = \"hang\", latency_ms = 0 } }");
    assert!(!effective("", Profile::Production).contains_key("simulator"));
}
