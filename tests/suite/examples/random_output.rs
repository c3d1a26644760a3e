//! Writes the given number of MiB of random bytes from the service to standard output, as input for
//! statistical tests (`make test-statistics`).

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpStream;

use attested_recipient::Simulator;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::keep_alive::KeepAliveClient;

#[path = "../benches/keep_alive/mod.rs"]
mod keep_alive;

/// The largest number of bytes in one response.
const NUMBER_OF_BYTES: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mebibytes: usize = std::env::args().nth(1).ok_or("usage: random_output MIB")?.parse()?;
    let simulator = Simulator::start()?;
    let stream = TcpStream::connect(simulator.address())?;
    stream.set_nodelay(true)?;
    let mut client = KeepAliveClient::new(stream, NUMBER_OF_BYTES);
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    for _ in 0..mebibytes * 1024 * 1024 / NUMBER_OF_BYTES {
        let body: serde_json::Value = serde_json::from_str(&client.request()?)?;
        let random = body.get("Plaintext").and_then(serde_json::Value::as_str);
        stdout.write_all(&STANDARD.decode(random.ok_or("no Plaintext")?)?)?;
    }
    Ok(stdout.flush()?)
}
