//! The compared proxies. Each proxy has one thread per processor, no log, and timeouts that the
//! benchmark never reaches.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::load::BoxError;
use crate::process::{Process, binary};

/// The limit of connections. No measurement opens so many connections.
const MAX_CONNECTIONS: usize = 8192;

/// Path of nginx's stream module on Debian. Other builds often include it.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A proxy that is stopped on drop.
pub(crate) struct Proxy {
    pub(crate) process: Process,
    /// The command that stops nginx. nginx's workers would continue to run if the main process were
    /// killed.
    stop: Option<Command>,
    folder: TempDir,
}

/// The names of the proxies: this project's relay, HAProxy and nginx.
pub(crate) const NAMES: [&str; 3] = ["relay", "haproxy", "nginx"];

/// Starts all proxies in [`NAMES`] in front of `upstream`.
pub(crate) fn start(upstream: SocketAddr) -> Result<[Proxy; 3], BoxError> {
    Ok([ours(upstream)?, haproxy(upstream)?, nginx(upstream)?])
}

/// Checks that HAProxy and nginx are installed.
pub(crate) fn require_peers() -> Result<(), BoxError> {
    let version = |name: &str, argument| Command::new(program(name)).arg(argument).output();
    let is_absent = |output: &io::Result<_>| matches!(output, Err(error) if error.kind() == ErrorKind::NotFound);
    let mut missing = Vec::new();
    if is_absent(&version("haproxy", "-v")) {
        missing.push("haproxy");
    }
    let nginx = version("nginx", "-V");
    if is_absent(&nginx) {
        missing.push("nginx");
    } else if String::from_utf8_lossy(&nginx?.stderr).contains("--with-stream=dynamic")
        && !Path::new(STREAM_MODULE).exists()
    {
        missing.push("nginx's stream module");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" and ");
    Err(format!("{missing} is missing: apt-get install haproxy nginx-light libnginx-mod-stream")
        .into())
}

fn ours(upstream: SocketAddr) -> Result<Proxy, BoxError> {
    let mut command = Command::new(binary("parent-proxy")?);
    command.args(["--listen", "127.0.0.1:0", "--upstream", &upstream.to_string()]);
    command.args(["--max-connections", &MAX_CONNECTIONS.to_string()]);
    command.args(["--idle-timeout", "3600"]);
    command.stderr(Stdio::null());
    let process = Process::spawn_announced(&mut command)?;
    Ok(Proxy { process, stop: None, folder: tempfile::tempdir()? })
}

fn haproxy(upstream: SocketAddr) -> Result<Proxy, BoxError> {
    let (folder, address, threads) =
        (tempfile::tempdir()?, free_address()?, available_parallelism()?);
    let file = folder.path().join("haproxy.cfg");
    let text = format!(
        "global\n nbthread {threads}\n maxconn {MAX_CONNECTIONS}\n\
         defaults\n mode tcp\n maxconn {MAX_CONNECTIONS}\n timeout connect 10s\n\
         \x20timeout client 1h\n timeout server 1h\n\
         listen relay\n bind {address}\n server upstream {upstream}\n"
    );
    fs::write(&file, text)?;
    let mut command = Command::new(program("haproxy"));
    command.args(["-db", "-f"]).arg(&file).stderr(Stdio::null());
    Ok(Proxy { process: Process::spawn_listening(&mut command, address)?, stop: None, folder })
}

fn nginx(upstream: SocketAddr) -> Result<Proxy, BoxError> {
    let (folder, address, threads) =
        (tempfile::tempdir()?, free_address()?, available_parallelism()?);
    let module = if Path::new(STREAM_MODULE).exists() {
        format!("load_module {STREAM_MODULE};\n")
    } else {
        String::new()
    };
    // An nginx worker counts two connections for each relayed connection.
    let (pid, ends) = (pid_file(&folder), 2 * MAX_CONNECTIONS);
    let text = format!(
        "{module}daemon off;\nworker_processes {threads};\nerror_log stderr crit;\n\
         pid {};\nevents {{ worker_connections {ends}; }}\n\
         stream {{ server {{ listen {address} reuseport backlog=1024; proxy_pass {upstream}; \
         proxy_timeout 1h; tcp_nodelay on; }} }}\n",
        pid.display()
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, text)?;
    let command = || {
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(folder.path()).args(["-e", "stderr", "-c"]).arg(&file);
        command
    };
    let process = Process::spawn_listening(&mut command(), address)?;
    let mut stop = command();
    stop.args(["-s", "stop"]).stderr(Stdio::null());
    Ok(Proxy { process, stop: Some(stop), folder })
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let Some(stop) = &mut self.stop else { return };
        drop(stop.status());
        // nginx removes its PID file after the workers have exited.
        let (file, start) = (pid_file(&self.folder), Instant::now());
        while file.exists() && start.elapsed() < Duration::from_secs(5) {
            sleep(Duration::from_millis(10));
        }
    }
}

fn pid_file(folder: &TempDir) -> PathBuf {
    folder.path().join("nginx.pid")
}

/// Returns a local address without a listener.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Returns the path of a program. Debian installs servers in a folder that may be missing from PATH.
fn program(name: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(name);
    if path.exists() { path } else { name.into() }
}
