//! The simulator with the PROXY protocol.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use transport::{ConnectionId, ProxyHeader};

use super::process::{Simulator, get, is_ready};
use super::skipped::report_skipped;

fn header() -> Vec<u8> {
    let client_addr = Some("192.0.2.7:50000".parse().unwrap());
    let connection_id = Some(ConnectionId([0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60]));
    ProxyHeader { client_addr, connection_id }.encode(Some("127.0.0.1:8000".parse().unwrap()))
}

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
    Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.GenerateRandom\r\n\
    Content-Length: 19\r\n\r\n{\"NumberOfBytes\":1}";

#[test]
fn client_addr_is_from_the_proxy_header() {
    let arguments = ["--proxy-protocol", "--admin-listen", "127.0.0.1:0"];
    let mut simulator = Simulator::start("127.0.0.1:0", &arguments);
    let mut stdout = simulator.stdout.take().unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let admin = line.strip_prefix("enclave-simulator admin listening on ").unwrap().trim();

    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&simulator.endpoint).unwrap();
        stream.write_all(bytes).unwrap();
        let mut response = Vec::new();
        // The kernel may reset the connection, because the server did not read all bytes.
        drop(stream.read_to_end(&mut response));
        String::from_utf8(response).unwrap()
    };
    let response = send(&[&header(), REQUEST].concat());
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains("\r\nx-amzn-requestid: 1b2c3d4e-5f60-4"), "{response}");
    assert_eq!(send(REQUEST), "");

    let metrics = get(&mut TcpStream::connect(admin).unwrap(), "/metrics");
    for line in [
        "attested_random_connections_total 2",
        "attested_random_connections_rejected_total{reason=\"proxy_header\"} 1",
        "attested_random_connections_rejected_total{reason=\"peer\"} 0",
        "attested_random_requests_total{operation=\"GenerateRandom\",outcome=\"success\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in {metrics}");
    }
    assert_eq!(simulator.terminate(), Some(0));
    let mut records = String::new();
    stdout.read_to_string(&mut records).unwrap();
    let records = records.lines().filter(|line| line.contains(r#""eventVersion""#));
    let [record] = records.collect::<Vec<_>>()[..] else { panic!("not one record") };
    assert!(record.contains(r#""sourceIPAddress":"192.0.2.7""#), "{record}");
    assert!(record.contains(r#""requestID":"1b2c3d4e-5f60-4"#), "{record}");
}

/// Returns an address of this machine other than loopback, or `None` without a network.
fn local_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // `connect` sends nothing over UDP. The kernel only selects the source address.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().unwrap().ip())
}

#[test]
fn rejects_proxy_headers_from_remote_addresses() {
    let Some(own) = local_address() else {
        return report_skipped("PROXY header from another address", "this machine has no network");
    };
    let arguments = ["--proxy-protocol", "--admin-listen", "0.0.0.0:0"];
    let mut simulator = Simulator::start("0.0.0.0:0", &arguments);
    let mut line = String::new();
    simulator.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
    let (_, admin_port) = line.trim().rsplit_once(':').unwrap();
    let (_, port) = simulator.endpoint.rsplit_once(':').unwrap();
    let connect = |ip: &str, port: &str| TcpStream::connect(format!("{ip}:{port}")).unwrap();

    let mut remote = connect(&own.to_string(), port);
    let mut response = Vec::new();
    // The server closes the connection, with or without reading its bytes.
    drop(remote.write_all(&[&header(), REQUEST].concat()));
    drop(remote.read_to_end(&mut response));
    assert_eq!(response, b"");
    let mut relay = connect("127.0.0.1", port);
    relay.write_all(&header()).unwrap();
    assert!(is_ready(&mut relay));
    let metrics = get(&mut connect(&own.to_string(), admin_port), "/metrics");
    let rejected = "attested_random_connections_rejected_total{reason=\"peer\"} 1";
    assert!(metrics.lines().any(|line| line == rejected), "{metrics}");
}

#[test]
fn accepts_proxy_headers_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("enclave.sock");
    let _simulator = Simulator::start(&format!("unix:{}", socket.display()), &["--proxy-protocol"]);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(&header()).unwrap();
    assert!(is_ready(&mut stream));
}

#[test]
fn warns_about_source_ip_without_proxy_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*",
        "Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}}"#;
    fs::write(folder.path().join("p.json"), policy).unwrap();
    let config = "[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n\
        [[credential]]\naccess_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = \"a-secret\"\n\
        principal = \"arn:aws:iam::123456789012:role/wallet\"\npolicies = [\"p.json\"]\n";
    let path = folder.path().join("enclave.toml");
    fs::write(&path, config).unwrap();
    let log = |arguments: &[&str]| {
        let arguments = [&["--config", path.to_str().unwrap()], arguments].concat();
        let mut simulator = Simulator::start_with_log("127.0.0.1:0", &arguments, Stdio::piped());
        let mut stderr = simulator.process.stderr.take().unwrap();
        assert_eq!(simulator.terminate(), Some(0));
        let mut log = String::new();
        stderr.read_to_string(&mut log).unwrap();
        log
    };
    let warning = "IpAddress aws:SourceIp never matches: no request carries the key; set [server] \
                   proxy_protocol = true";
    let (off, on) = (log(&[]), log(&["--proxy-protocol"]));
    assert!(off.contains(warning), "{off}");
    assert!(!on.contains("aws:SourceIp"), "{on}");
}
