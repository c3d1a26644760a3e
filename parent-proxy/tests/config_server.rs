//! Serving of the configuration archive.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fixture;

use std::fs;
use std::process::Stdio;

use fixture::{bounded, config, loopback, read_all};
use parent_proxy::{Config, ConfigArchive, Proxy};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use transport::{Endpoint, connect};

async fn read_config(endpoint: &Endpoint) -> Vec<u8> {
    let mut stream = bounded(connect(endpoint)).await.unwrap();
    bounded(read_all(&mut stream)).await
}

#[tokio::test]
async fn serves_the_current_file_to_each_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.tar");
    fs::write(&path, vec![7; 100_000]).unwrap();
    let endpoint = Endpoint::Unix(folder.path().join("config.sock"));
    let archive = ConfigArchive { path: path.clone(), listen: endpoint.clone() };
    let config = Config { config_archive: Some(archive), ..config(&loopback()) };
    let proxy = Proxy::bind(&config, || 0).await.unwrap();
    let running = tokio::spawn(proxy.run(std::future::pending()));
    assert_eq!(read_config(&endpoint).await, vec![7; 100_000]);
    fs::write(&path, b"another").unwrap();
    assert_eq!(read_config(&endpoint).await, b"another");
    // A file that is too large is rejected before the first byte is sent.
    fs::write(&path, vec![7; 8 * 1024 * 1024 + 1]).unwrap();
    assert_eq!(read_config(&endpoint).await, b"");
    fs::remove_file(&path).unwrap();
    assert_eq!(read_config(&endpoint).await, b"");
    fs::write(&path, b"and it goes on").unwrap();
    let (one, other) = tokio::join!(read_config(&endpoint), read_config(&endpoint));
    assert_eq!((one, other), (b"and it goes on".to_vec(), b"and it goes on".to_vec()));
    running.abort();
}

#[tokio::test]
async fn start_fails_without_the_configured_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.tar");
    let socket = folder.path().join("config.sock");
    let listen = Endpoint::Unix(socket.clone());
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parent-proxy"));
        command.args(["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1"]);
        command.arg("--config-archive").arg(&path).args(["--config-listen", &listen.to_string()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    };
    let output = bounded(start().output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("config.tar: No such file or directory"), "{stderr}");

    let folder_as_file = bounded(
        Command::new(env!("CARGO_BIN_EXE_parent-proxy"))
            .args(["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--config-archive"])
            .arg(folder.path())
            .args(["--config-listen", &listen.to_string()])
            .output(),
    );
    let stderr = String::from_utf8(folder_as_file.await.unwrap().stderr).unwrap();
    assert!(stderr.contains("not a regular file"), "{stderr}");
    let over_tcp = bounded(
        Command::new(env!("CARGO_BIN_EXE_parent-proxy"))
            .args(["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--config-archive"])
            .arg(&path)
            .args(["--config-listen", "127.0.0.1:0"])
            .output(),
    );
    let stderr = String::from_utf8(over_tcp.await.unwrap().stderr).unwrap();
    assert!(stderr.contains("only enclaves may connect"), "{stderr}");

    fs::write(&path, b"archive").unwrap();
    let mut child = start().spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    bounded(stdout.read_line(&mut line)).await.unwrap();
    assert!(line.starts_with("parent-proxy listening on 127.0.0.1:"), "{line}");
    assert_eq!(read_config(&listen).await, b"archive");
    bounded(child.kill()).await.unwrap();
}
