//! The tables `[[egress]]`.

use super::*;
use crate::egress::Route;

fn table(address: &str, parent_port: &str) -> String {
    format!("[[egress]]\naddress = {address}\nparent_port = {parent_port}\n")
}

/// Returns a valid production configuration with these tables.
fn enclave(tables: &str) -> String {
    production(&[CREDENTIAL, tables].concat())
}

fn routes(tables: &str) -> Vec<Route> {
    settings(&enclave(tables), Profile::Production).unwrap().egress().to_vec()
}

#[test]
fn reads_address_and_parent_port_of_a_route() {
    assert_eq!(routes(""), []);
    let tables = [
        table("\"10.0.1.5:2223\"", "1"),
        table("\"10.0.1.5:2224\"", "8102"),
        table("\"[FD00:0::5]:65535\"", "4294967294"),
    ];
    let route =
        |address: &str, parent_port| Route { address: address.parse().unwrap(), parent_port };
    let expected = [
        route("10.0.1.5:2223", 1),
        route("10.0.1.5:2224", 8102),
        route("[fd00::5]:65535", 4_294_967_294),
    ];
    assert_eq!(routes(&tables.concat()), expected);
}

#[test]
fn each_invalid_route_has_its_own_error() {
    let no_address = "address is invalid: use an IP address and a port, such as \"10.0.1.5:2223\" \
                      or \"[fd00::5]:2223\", because an enclave cannot resolve names";
    let no_host = "address is not of one remote host: use no loopback, unspecified, broadcast, \
                   multicast, link-local or IPv4-mapped address";
    let no_port = "address has port 0: use the port of the HSM, such as 2223";
    let heartbeat = "parent_port 9000 is the heartbeat port of nitro-cli: choose another";
    for (address, port, expected) in [
        ("", "1", no_address),
        ("10.0.1.5", "1", no_address),
        ("10.0.1.5:", "1", no_address),
        ("10.0.1.5:65536", "1", no_address),
        ("10.0.1:2223", "1", no_address),
        ("fd00::5:2223", "1", no_address),
        ("hsm.example:2223", "1", no_address),
        ("tcp:10.0.1.5:2223", "1", no_address),
        ("10.0.1.5:0", "1", no_port),
        ("127.0.0.1:2223", "1", no_host),
        ("127.9.9.9:2223", "1", no_host),
        ("0.0.0.0:2223", "1", no_host),
        ("255.255.255.255:2223", "1", no_host),
        ("224.0.0.1:2223", "1", no_host),
        ("169.254.169.254:80", "1", no_host),
        ("[::1]:2223", "1", no_host),
        ("[::]:2223", "1", no_host),
        ("[ff02::1]:2223", "1", no_host),
        ("[fe80::5]:2223", "1", no_host),
        ("[fd00::5%1]:2223", "1", no_host),
        ("[::ffff:10.0.1.5]:2223", "1", no_host),
        ("10.0.1.5:2223", "9000", heartbeat),
    ] {
        let tables = [table("\"10.0.1.9:2223\"", "8109"), table(&format!("\"{address}\""), port)];
        let error = error_text(&enclave(&tables.concat()), Profile::Production);
        assert_eq!(error, format!("[[egress]] number 2: {expected}"), "{address:?}");
    }
}

#[test]
fn rejects_duplicate_address_or_parent_port() {
    for (address, port, expected) in [
        ("\"[FD00::9]:2223\"", "8101", "address is the same as in number 2: remove one of them"),
        (
            "\"10.0.1.5:2223\"",
            "8109",
            "parent_port is the same as in number 2, so both routes would reach one host: use a \
             different port for each",
        ),
    ] {
        let tables = [
            table("\"10.0.1.8:2223\"", "8108"),
            table("\"[fd00::9]:2223\"", "8109"),
            table(address, port),
        ];
        let error = error_text(&enclave(&tables.concat()), Profile::Production);
        assert_eq!(error, format!("[[egress]] number 3: {expected}"));
    }
}

#[test]
fn requires_address_and_valid_vsock_port() {
    for port in ["0", "-1", "4294967295", "\"8101\""] {
        let error = load(&table("\"10.0.1.5:2223\"", port)).unwrap_err().to_string();
        assert!(error.contains("expected a whole number from 1 to 4294967294"), "{error}");
    }
    for (text, expected) in [
        ("[[egress]]\nparent_port = 1\n", "missing field `address`"),
        ("[[egress]]\naddress = \"10.0.1.5:2223\"\n", "missing field `parent_port`"),
        ("[[egress]]\nport = 1\n", "unknown field `port`"),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn accepts_at_most_64_routes() {
    let tables = |count: u16| -> String {
        let table = |index: u16| table(&format!("\"10.0.1.5:{index}\""), &index.to_string());
        (1..=count).map(table).collect()
    };
    assert_eq!(routes(&tables(64)).len(), 64);
    let error = error_text(&enclave(&tables(65)), Profile::Production);
    assert_eq!(error, "there are more than 64 [[egress]] tables: remove some");
}

#[test]
fn rejects_egress_routes_in_development() {
    let error = error_text(&table("\"10.0.1.5:2223\"", "8101"), Profile::Development);
    let expected = "[[egress]] is only for an enclave, which has no network interface: remove the table, \
                    because the simulator connects directly";
    assert_eq!(error, expected);
}

#[test]
fn documented_egress_tables_are_valid() {
    let page = include_str!("../../../../docs/configuration.md");
    let mut blocks = page.split("```toml\n");
    let block = blocks.find(|block| block.starts_with("[[egress]]\n")).unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let expected = Route { address: "10.0.1.5:2223".parse().unwrap(), parent_port: 8101 };
    assert_eq!(routes(text), [expected]);
}
