use std::fs;
use std::num::NonZeroUsize;

use clap::Parser;
use clap::error::ErrorKind;
use tempfile::TempDir;
use transport::Endpoint;
use transport::logging::Format;

use super::settings::Settings;
use super::*;

const REQUIRED: [&str; 4] = ["--listen", "127.0.0.1:0", "--upstream", "vsock:16:5000"];

fn settings(arguments: &[&str]) -> Result<Settings, clap::Error> {
    Settings::try_parse_from(["parent-proxy"].iter().chain(arguments))
}

fn parse(arguments: &[&str]) -> Result<Config, ConfigError> {
    Config::from_arguments([&["parent-proxy"][..], &REQUIRED, arguments].concat())
}

/// Writes `text` to a file. Returns its folder and the argument that names it.
fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, text).unwrap();
    (folder, format!("--config={}", path.display()))
}

#[test]
fn defaults_match_the_help() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.listen, ClientListener::Endpoint(Endpoint::Tcp("127.0.0.1:0".to_owned())));
    let upstream = Enclave::at(Endpoint::Vsock { cid: 16, port: 5000 });
    assert_eq!(config.upstreams, [upstream]);
    assert_eq!(config.max_connections.get(), 4096);
    assert_eq!(config.max_connections_per_client.map(NonZeroUsize::get), Some(1024));
    assert!((1..=4).contains(&config.threads.get()));
    let HealthChecks { interval, timeout, unhealthy_after } = config.health_checks;
    let times = [
        interval.unwrap(),
        timeout,
        config.connect_timeout,
        config.idle_timeout,
        config.unresponsive_timeout,
        config.total_timeout,
        config.drain_timeout,
    ];
    assert_eq!(times.map(|timeout| timeout.as_secs()), [2, 1, 3, 60, 5, 3600, 25]);
    assert_eq!(unhealthy_after.get(), 2);
    assert!(
        !config.proxy_protocol && config.admin_listen.is_none() && config.upstreams_file.is_none()
    );
    assert!(
        config.config_archive.is_none()
            && config.egress.is_empty()
            && config.log_receiver.is_none()
    );
    let help = Settings::try_parse_from(["parent-proxy", "--help"]).unwrap_err().to_string();
    for default in [
        "[default: 2]",
        "[default: 1]",
        "[default: 3]",
        "[default: 60]",
        "[default: 5]",
        "[default: 25]",
    ] {
        assert!(help.contains(default), "{default}");
    }
}

#[test]
fn default_per_client_limit_is_a_quarter() {
    let limit = |arguments: &[&str]| {
        parse(arguments).unwrap().max_connections_per_client.map(NonZeroUsize::get)
    };
    assert_eq!(limit(&["--max-connections=10"]), Some(3));
    assert_eq!(limit(&["--max-connections=1"]), Some(1));
    assert_eq!(limit(&["--max-connections-per-client=7"]), Some(7));
    assert_eq!(limit(&["--max-connections-per-client=0"]), None);
}

#[test]
fn option_overrides_file_which_overrides_default() {
    let (_folder, config) = file(
        "listen = \"systemd\"\nupstream = [\"vsock:17:5000,admin=vsock:17:5002\"]\n\
         idle_timeout = 7\ntotal_timeout = 8\nproxy_protocol = true\nhealth_interval = 0\n\
         max_connections_per_client = 9\nlog_format = \"json\"\n",
    );
    let both = Config::from_arguments(["parent-proxy", &config, "--total-timeout", "80"]).unwrap();
    assert_eq!(both.listen, ClientListener::Systemd);
    assert_eq!(both.upstreams[0].to_string(), "vsock:17:5000,admin=vsock:17:5002");
    assert_eq!((both.idle_timeout.as_secs(), both.total_timeout.as_secs()), (7, 80));
    assert_eq!((both.connect_timeout.as_secs(), both.health_checks.interval), (3, None));
    assert!(both.proxy_protocol && both.log_format == Format::Json);
    assert_eq!(both.max_connections_per_client.map(NonZeroUsize::get), Some(9));
    // The upstreams come from the file, so they can be reloaded.
    assert!(both.upstreams_file.is_some());
    let above = [&["parent-proxy", &config, "--proxy-protocol=false"], &REQUIRED[..]].concat();
    let above = Config::from_arguments(above).unwrap();
    assert_eq!(above.upstreams[0].endpoint.to_string(), "vsock:16:5000");
    assert!(!above.proxy_protocol && above.upstreams_file.is_none());
}

#[test]
fn options_variables_and_keys_have_the_same_names() {
    let command = <Settings as clap::CommandFactory>::command();
    let mut keys = Vec::new();
    for argument in command.get_arguments() {
        let name = argument.get_id().as_str();
        if ["help", "version", "print_config"].contains(&name) {
            continue;
        }
        let variable = argument.get_env().unwrap().to_str().unwrap();
        assert_eq!(variable, format!("PARENT_PROXY_{}", name.to_uppercase()));
        keys.extend((name != "config").then(|| name.to_owned()));
    }
    // The error for an unknown key lists all keys.
    let (_folder, config) = file("unknown = 1\n");
    let error = Config::from_arguments(["parent-proxy", &config]).unwrap_err().to_string();
    for key in keys {
        assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
    }
}

#[test]
fn file_errors_name_line_and_column() {
    let cases = [
        ("listen = \"a:1\"\nlisten_on = 1\n", "proxy.toml:2:1: unknown field `listen_on`"),
        ("listen = 1\n", "proxy.toml:1:10: invalid type: integer `1`, expected a string"),
        ("listen = \"a\"\n", "proxy.toml:1:10: `a` has no port"),
        ("\nidle_timeout = 0\n", "proxy.toml:2:16: write whole seconds, from 1 to 31536000"),
        ("\nidle_timeout = -1\n", "proxy.toml:2:16: write whole seconds"),
        ("health_interval = -1\n", "proxy.toml:1:19: write whole seconds, from 0"),
        ("threads = 0\n", "proxy.toml:1:11: invalid value: integer `0`"),
        ("upstream = [\"vsock:16:5000,admin=x\"]\n", "proxy.toml:1:12: `x` has no port"),
        ("log_level = \"loud\"\n", "proxy.toml:1:13: write error, warn, info, debug or trace"),
        ("[table]\n", "proxy.toml:1:2: unknown field `table`"),
        ("listen = \n", "proxy.toml:1:10: "),
    ];
    for (text, expected) in cases {
        let (_folder, config) = file(text);
        let error = Config::from_arguments(["parent-proxy", &config]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}: {expected}");
    }
}

#[test]
fn print_config_output_is_an_equivalent_file() {
    let arguments = [
        "--admin-listen=127.0.0.1:9100",
        "--health-interval=0",
        "--proxy-protocol",
        "--config-archive=c.tar",
        "--config-listen=vsock:4294967295:5001",
        "--egress=vsock:4294967295:8101=hsm.internal:2223",
        "--egress=vsock:4294967295:8102=[fd00::5]:2223",
        "--log-listen=vsock:4294967295:5003",
        "--log-file=/var/log/enclaves.json",
        "--log-format=json",
        "--upstream=vsock:17:5000,direct=127.0.0.1:8451,admin=vsock:17:5002,standby",
    ];
    let given = [&REQUIRED[..], &arguments, &["--print-config"]].concat();
    let Command::PrintConfig(shown) = Command::from_settings(settings(&given).unwrap()).unwrap()
    else {
        panic!()
    };
    assert!(shown.contains("egress = [\"vsock:4294967295:8101=hsm.internal:2223\", "), "{shown}");
    assert!(shown.contains("health_interval = 0\n") && shown.contains("max_connections = 4096\n"));
    let (_folder, config) = file(&shown);
    let again = settings(&[&config, "--print-config"]).unwrap();
    let Command::PrintConfig(again) = Command::from_settings(again).unwrap() else { panic!() };
    assert_eq!(again, shown);
}

#[test]
fn rejects_timeouts_that_are_not_positive_whole_seconds() {
    for flag in ["--connect-timeout", "--idle-timeout", "--total-timeout", "--drain-timeout"] {
        for value in ["0", "-1", "1.5", "", "ten", "31536001", "18446744073709551616"] {
            let error = settings(&[flag, value]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{flag} {value}: {error}");
            assert!(error.to_string().contains("whole seconds, from 1"), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}

#[test]
fn missing_setting_error_names_every_source() {
    let missing = |arguments: &[&str]| {
        let arguments = [&["parent-proxy"][..], arguments].concat();
        Config::from_arguments(arguments).unwrap_err().to_string()
    };
    let error = missing(&[]);
    let expected = "listen is missing: set --listen, PARENT_PROXY_LISTEN in the environment, or listen \
                    in the file that --config names";
    assert_eq!(error, expected);
    assert!(missing(&REQUIRED[..2]).starts_with("upstream is missing: "));
    for (argument, expected) in [
        ("--config-archive=c.tar", "config_listen is missing"),
        ("--config-listen=unix:/c", "config_archive is missing"),
        ("--log-file=l", "log_listen is missing"),
    ] {
        let error = parse(&[argument]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn rejects_tcp_listeners_for_enclaves() {
    for (arguments, key) in [
        (&["--config-archive=c.tar", "--config-listen=127.0.0.1:1"][..], "config_listen must not"),
        (&["--log-listen=127.0.0.1:1"], "log_listen must not"),
        (&["--egress=127.0.0.1:1=a:1"], "egress must not"),
    ] {
        let error = parse(arguments).unwrap_err().to_string();
        assert!(error.starts_with(key) && error.contains("listen on vsock"), "{error}");
    }
}

#[test]
fn rejects_invalid_upstreams_and_routes() {
    for (argument, expected) in [
        ("--upstream=http://a:1", "vsock:CID:PORT"),
        ("--upstream=a:1,admin=", "an endpoint is missing"),
        ("--upstream=a:1,amin=a:2", "unknown upstream option `amin=a:2`: write ENDPOINT"),
        ("--upstream=a:1,", "unknown upstream option ``"),
        ("--upstream=a:1,standby=true", "unknown upstream option `standby=true`"),
        ("--upstream=unix:/a,standbye", "unknown upstream option `standbye`"),
        ("--upstream=a:1,standby,admin=a:2,standby", "`standby` is given twice"),
        ("--upstream=a:1,admin=a:2,admin=a:2", "`admin` is given twice"),
        ("--upstream=a:1,direct=a:2,direct=a:3", "`direct` is given twice"),
        ("--upstream=a:1,direct=a", "`a` has no port"),
        (
            "--upstream=a:1,direct=vsock:3:1",
            "direct=vsock:3:1 must be a TCP endpoint or a Unix socket",
        ),
        ("--upstream=a:1,direct=vsock-mux:/a:1", "must be a TCP endpoint"),
        ("--egress=unix:/a", "write ENDPOINT=HOST:PORT"),
        ("--egress=unix:/a=unix:/b", "unix:/b is not HOST:PORT"),
        ("--egress=unix:/a=b", "`b` has no port"),
        ("--max-connections=0", "max-connections"),
        ("--unhealthy-after=0", "unhealthy-after"),
    ] {
        let error = settings(&[argument]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = parse(&["--upstream=vsock:16:5000,admin=vsock:16:5002"]).unwrap_err().to_string();
    assert_eq!(error, "upstream vsock:16:5000 is listed twice: list each enclave once");
    let both = ["--upstream=unix:/a,direct=a:1", "--upstream=unix:/b,direct=a:1"];
    let error = parse(&both).unwrap_err().to_string();
    assert!(error.starts_with("direct=tcp:a:1 is set for two upstreams"), "{error}");
}

#[test]
fn upstream_options_are_accepted_in_any_order() {
    let expected = Enclave {
        admin: Some("vsock:17:5002".parse().unwrap()),
        direct: Some("127.0.0.1:8451".parse().unwrap()),
        standby: true,
        ..Enclave::at("vsock:17:5000".parse().unwrap())
    };
    let options = ["admin=vsock:17:5002", "direct=127.0.0.1:8451", "standby"];
    for (one, two, three) in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)] {
        let [one, two, three] = [one, two, three].map(|index| options[index]);
        let text = format!("vsock:17:5000,{one},{two},{three}");
        let enclave: Enclave = text.parse().unwrap();
        assert_eq!(enclave, expected, "{text}");
        assert_eq!(enclave.to_string().parse::<Enclave>().unwrap(), expected);
    }
}
