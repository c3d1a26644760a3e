//! The table `[server]` and the flags that override it.

use clap::Parser;
use transport::Endpoint;

use super::*;

const TABLE: &str = "[server]\nlisten = \"vsock:4294967295:5000\"\nadmin_listen = \"unix:/run/admin\"\n\
                     proxy_protocol = true\nlog_endpoint = \"vsock:3:5003\"\nlog_format = \"json\"\n\
                     log_level = \"debug\"\n";

/// Returns the effective settings of `text` with these flags.
fn server(text: &str, flags: &[&str]) -> Result<ServerSettings, String> {
    let arguments = [&["enclave"], flags].concat();
    let arguments = EnclaveArguments::try_parse_from(arguments).map_err(|e| e.to_string())?;
    let config = load(text).map_err(|error| error.to_string())?;
    config.server(&arguments.common).map_err(|error| error.to_string())
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

#[test]
fn reads_server_table_without_flags() {
    let read = server(TABLE, &[]).unwrap();
    assert_eq!(read.listeners.clients, endpoint("vsock:4294967295:5000"));
    assert_eq!(read.listeners.admin, Some(endpoint("unix:/run/admin")));
    assert_eq!(read.log_endpoint, Some(endpoint("vsock:3:5003")));
    assert!(read.proxy_protocol);
    assert_eq!((&*read.log_format.to_string(), &*read.log_level.to_string()), ("json", "debug"));
}

#[test]
fn flags_override_the_server_table() {
    let flags = [
        "--listen=127.0.0.1:1",
        "--admin-listen=127.0.0.1:2",
        "--proxy-protocol=false",
        "--log-endpoint=127.0.0.1:3",
        "--log-format=text",
        "--log-level=error",
    ];
    let read = server(TABLE, &flags).unwrap();
    assert_eq!(read.listeners.clients, endpoint("127.0.0.1:1"));
    assert_eq!(read.listeners.admin, Some(endpoint("127.0.0.1:2")));
    assert_eq!(read.log_endpoint, Some(endpoint("127.0.0.1:3")));
    assert!(!read.proxy_protocol);
    assert_eq!((&*read.log_format.to_string(), &*read.log_level.to_string()), ("text", "error"));
    assert!(server("", &["--listen=127.0.0.1:1", "--proxy-protocol"]).unwrap().proxy_protocol);
}

#[test]
fn only_listen_has_no_default() {
    let read = server("[server]\nlisten = \"127.0.0.1:1\"\n", &[]).unwrap();
    assert_eq!((read.listeners.admin, read.log_endpoint, read.proxy_protocol), (None, None, false));
    assert_eq!((&*read.log_format.to_string(), &*read.log_level.to_string()), ("text", "info"));
    let error = server("[server]\n", &[]).unwrap_err();
    for way in ["--listen ENDPOINT", "ENCLAVE_LISTEN", "[server] listen"] {
        assert!(error.contains(way), "{error}");
    }
}

#[test]
fn rejects_invalid_server_values_without_repeating_them() {
    for (line, expected) in [
        ("listen = \"wJalrXUtnFEMI\"", "expected vsock:CID:PORT"),
        ("log_endpoint = 5", "expected vsock:CID:PORT"),
        ("log_format = \"wJalrXUtnFEMI\"", "expected \"text\" or \"json\""),
        ("log_level = \"off\"", "expected \"error\", \"warn\""),
        ("proxy_protocol = \"wJalrXUtnFEMI\"", "expected a boolean"),
        ("port = 1", "unknown field `port`"),
    ] {
        let error = server(&format!("[server]\n{line}\n"), &["--listen=127.0.0.1:1"]).unwrap_err();
        assert!(error.contains(": line 2 column ") && error.contains(expected), "{error}");
        assert!(!error.contains("wJalr"), "{error}");
    }
}

#[test]
fn rejects_log_endpoint_that_cannot_receive_lines() {
    let flags = ["--listen=127.0.0.1:1", "--log-endpoint=vsock-mux:/run/a:1"];
    let error = server("", &flags).unwrap_err();
    assert!(error.starts_with("log_endpoint: vsock-mux connects to a guest"), "{error}");
    let error = server("[server]\nlog_endpoint = \"vsock:3:9000\"\n", &flags[..1]).unwrap_err();
    assert!(error.starts_with("log_endpoint: vsock port 9000"), "{error}");
}
