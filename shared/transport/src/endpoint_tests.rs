use super::*;

fn parse(text: &str) -> Result<Endpoint, InvalidEndpoint> {
    text.parse()
}

#[test]
fn parses_each_scheme_and_bare_addresses_as_tcp() {
    assert_eq!(parse("vsock:16:5000"), Ok(Endpoint::Vsock { cid: 16, port: 5000 }));
    assert_eq!(parse("unix:/run/a:b.sock"), Ok(Endpoint::Unix("/run/a:b.sock".into())));
    let expected = Ok(Endpoint::VsockMux { path: "/run/a:b.vsock".into(), port: 5000 });
    assert_eq!(parse("vsock-mux:/run/a:b.vsock:5000"), expected);
    for address in ["127.0.0.1:0", "localhost:65535", "[::1]:80", "a-b.c_d.example:1"] {
        let expected = Ok(Endpoint::Tcp(address.to_owned()));
        assert_eq!(parse(address), expected);
        assert_eq!(parse(&format!("tcp:{address}")), expected);
    }
}

#[test]
fn displayed_endpoint_parses_to_the_same() {
    let texts = [
        "vsock:4294967295:4294967295",
        "vsock:0:0",
        "vsock-mux:rel/x:4294967295",
        "vsock-mux:a:1:0",
        "unix:rel/x",
        "tcp:tcp:80",
        "[::]:0",
    ];
    for text in texts {
        let endpoint = parse(text).unwrap();
        assert_eq!(parse(&endpoint.to_string()), Ok(endpoint));
    }
}

#[test]
fn rejects_vsock_numbers_that_are_not_plain_32_bit_decimals() {
    for cid in ["", "-1", "+1", "03", "0x10", " 3", "4294967296", "any"] {
        let expected = Err(InvalidEndpoint::Cid { cid: cid.to_owned() });
        assert_eq!(parse(&format!("vsock:{cid}:5000")), expected);
    }
    for port in ["", "-1", "+1", "05", "1:2", "4294967296"] {
        let expected = Err(InvalidEndpoint::VsockPort { port: port.to_owned() });
        assert_eq!(parse(&format!("vsock:16:{port}")), expected);
    }
    for port in ["", "-1", "+1", "05", "/run/s", "4294967296"] {
        let expected = Err(InvalidEndpoint::VsockPort { port: port.to_owned() });
        assert_eq!(parse(&format!("vsock-mux:/run/s:{port}")), expected);
    }
    let expected = Err(InvalidEndpoint::NotCidAndPort { rest: "5000".to_owned() });
    assert_eq!(parse("vsock:5000"), expected);
}

#[test]
fn rejects_tcp_ports_that_are_not_plain_16_bit_decimals() {
    for port in ["", "-1", "+80", "080", "65536", "http", "80 "] {
        let expected = Err(InvalidEndpoint::TcpPort { port: port.to_owned() });
        assert_eq!(parse(&format!("localhost:{port}")), expected);
    }
    for text in ["localhost", "tcp:8000"] {
        let address = text.trim_start_matches("tcp:").to_owned();
        assert_eq!(parse(text), Err(InvalidEndpoint::NoPort { text: address }));
    }
}

#[test]
fn rejects_ambiguous_hosts() {
    let long = "a".repeat(254);
    let hosts = ["", "1234", "256.0.0.1", "1.2.3", "127.0.0.01", "0x7f.1", "0x7f000001"];
    let more = ["[::1", "[1.2.3.4]", "[fe80::1%eth0]", "a b", "//host", "münchen", &long];
    for host in hosts.into_iter().chain(more) {
        let expected = Err(InvalidEndpoint::Host { host: host.to_owned() });
        assert_eq!(parse(&format!("tcp:{host}:80")), expected);
    }
    for text in ["::1:80", "::1", "2001:db8::1:80", "1:2:3:4:5:6:7:8:80"] {
        assert_eq!(parse(text), Err(InvalidEndpoint::UnbracketedIpv6), "{text}");
    }
}

#[test]
fn error_of_unknown_scheme_lists_schemes() {
    for (text, scheme) in
        [("http://localhost:80", "http"), ("udp:1.2.3.4:53", "udp"), ("VSOCK:16:1", "VSOCK")]
    {
        let error = parse(text).unwrap_err();
        assert_eq!(error, InvalidEndpoint::UnknownScheme { scheme: scheme.to_owned() });
        assert!(error.to_string().contains(
            "write vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, tcp:HOST:PORT or HOST:PORT"
        ));
    }
    assert_eq!(parse(""), Err(InvalidEndpoint::Empty));
}

#[test]
fn rejects_unix_paths_a_socket_address_cannot_hold() {
    assert_eq!(parse("unix:"), Err(InvalidEndpoint::UnixPath));
    assert_eq!(parse("unix:/a\0b"), Err(InvalidEndpoint::UnixPath));
    assert!(parse(&format!("unix:{}", "a".repeat(107))).is_ok());
    let expected = Err(InvalidEndpoint::UnixPathTooLong { length: 108 });
    assert_eq!(parse(&format!("unix:{}", "a".repeat(108))), expected);
    assert!(parse(&format!("vsock-mux:{}:5000", "a".repeat(107))).is_ok());
    assert_eq!(parse(&format!("vsock-mux:{}:5000", "a".repeat(108))), expected);
    for text in ["vsock-mux:", "vsock-mux:/run/s", "vsock-mux::5000", "vsock-mux:/a\0b:5000"] {
        assert_eq!(parse(text), Err(InvalidEndpoint::NotPathAndPort), "{text}");
    }
}
