//! Tests that the host name of an egress route is resolved for each connection. The test needs its own
//! /etc/hosts and therefore user namespaces. Some machines deny user namespaces, so `make names-test` runs
//! this test and `make test` does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const NAME: &str = "host.example";

/// A relay process, killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a relay with an egress route to `NAME`, which `hosts` resolves. Returns once it listens.
fn start(hosts: &Path, route_socket: &Path, port: u16) -> Running {
    // exec, so that the kill ends the relay and not the shell.
    let within = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", within, "sh"]).arg(hosts);
    command.args([env!("CARGO_BIN_EXE_parent-proxy"), "--listen", "127.0.0.1:0"]);
    command.args(["--upstream", "unix:nobody", "--health-interval", "0", "--egress"]);
    command.arg(format!("unix:{}={NAME}:{port}", route_socket.display()));
    let mut relay = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut stdout = BufReader::new(relay.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(
        line.starts_with("parent-proxy listening on "),
        "does this machine allow user namespaces? {line}"
    );
    relay
}

/// Sends `letter` on each connection.
fn serve(listener: TcpListener, letter: u8) {
    thread::spawn(move || {
        listener.incoming().for_each(|stream| stream.unwrap().write_all(&[letter]).unwrap());
    });
}

/// Returns the letter of the host that the egress route leads to.
fn read_letter(route_socket: &Path) -> Vec<u8> {
    let mut stream = UnixStream::connect(route_socket).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut letters = Vec::new();
    stream.read_to_end(&mut letters).unwrap();
    letters
}

#[test]
fn egress_host_is_resolved_for_each_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (hosts, route_socket) = (folder.path().join("hosts"), folder.path().join("out"));
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.2", port)).unwrap();
    serve(first, b'1');
    serve(second, b'2');
    // The file must be written in place, because this file is mounted.
    let write_hosts = |lines: &str| fs::write(&hosts, lines).unwrap();
    write_hosts(&format!("127.0.0.1 {NAME}\n"));
    let _relay = start(&hosts, &route_socket, port);
    assert_eq!(read_letter(&route_socket), b"1");
    write_hosts(&format!("127.0.0.2 {NAME}\n"));
    assert_eq!(read_letter(&route_socket), b"2");
    // If nothing listens on the first address, the next one is used.
    write_hosts(&format!("127.0.0.3 {NAME}\n127.0.0.1 {NAME}\n"));
    assert_eq!(read_letter(&route_socket), b"1");
    write_hosts("");
    assert_eq!(read_letter(&route_socket), b"");
    write_hosts(&format!("127.0.0.2 {NAME}\n"));
    assert_eq!(read_letter(&route_socket), b"2");
}
