//! A server that returns all received data. The server uses as little processor time as possible,
//! so that the cost of a relay dominates.

use std::env;
use std::io::{self, Write, stdout};
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::load::BoxError;
use crate::process::Process;

/// Environment variable that makes a process of this program the server.
const ROLE: &str = "ECHO_SERVER";

/// A request with the length of a GenerateRandom request. The response of the server is the same
/// bytes.
pub(crate) const REQUEST: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\n\
    x-amzn-requestid: 00000000-0000-4000-8000-000000000000\r\ncontent-length: 60\r\n\r\n\
    {\"Plaintext\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}";

/// Block size of reads and writes, in bytes.
pub(crate) const BLOCK: usize = 64 * 1024;

/// Starts the server in a separate process.
pub(crate) fn start() -> Result<Process, BoxError> {
    Process::spawn_announced(Command::new(env::current_exe()?).env(ROLE, "1"))
}

/// Returns whether this process is the server. `main` must check this first and then call [`serve`].
pub(crate) fn is_server_process() -> bool {
    env::var_os(ROLE).is_some()
}

/// Serves until the process is killed.
pub(crate) fn serve() -> Result<(), BoxError> {
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(stdout(), "echo server listening on tcp:{}", listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(echo(stream));
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut block = vec![0; BLOCK];
    loop {
        match stream.read(&mut block).await? {
            0 => return Ok(()),
            length => stream.write_all(block.get(..length).unwrap_or_default()).await?,
        }
    }
}
