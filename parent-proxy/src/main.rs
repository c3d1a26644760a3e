//! The relay on the parent instance: command line, log, signals; the rest is in the library.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use parent_proxy::{Command, Config, Proxy};
use tokio::task::spawn_blocking;
use transport::limits::FLUSH_TIMEOUT;
use transport::logging;
use transport::nonblocking_writer::{LogWriter, NonBlockingWriter};
use transport::shutdown_signal;

/// The commit that the binary is built from, as the Makefile passes it.
const COMMIT: Option<&str> = option_env!("ATTESTED_RANDOM_COMMIT");

// Of the relay's threads the first is this one.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Command::from_process(COMMIT) {
        Ok(Command::Relay(config)) => config,
        Ok(Command::PrintConfig(text)) => {
            return match io::stdout().lock().write_all(text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        Err(error) => {
            // There is no log yet, and what cannot be written here is told by the status.
            let _ = writeln!(io::stderr(), "parent-proxy: {error}");
            return ExitCode::from(2);
        }
    };
    let (format, level) = (config.log_format, config.log_level);
    match NonBlockingWriter::spawn("log", io::stderr()) {
        Ok(lines) => {
            let lines = LOG.get_or_init(|| lines);
            logging::init(format, level, move || LogWriter(lines));
        }
        // Without a thread, starting will fail as well, and say so.
        Err(_) => logging::init(format, level, io::stderr),
    }
    let code = match run(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = error.source(), "{error}");
            ExitCode::FAILURE
        }
    };
    if let Some(lines) = LOG.get() {
        // Elsewhere, for this thread is the one that a second signal would have to reach.
        let _ = spawn_blocking(|| lines.flush(FLUSH_TIMEOUT)).await;
    }
    code
}

/// The way to stderr: nobody waits for who reads it. Where it is gone or full, lines are lost;
/// reporting that there would panic, or wait.
static LOG: OnceLock<NonBlockingWriter<Vec<u8>>> = OnceLock::new();

async fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    // Before anybody can know that this process exists, so that no signal finds it unprepared.
    let shutdown = shutdown_signal()?;
    parent_proxy::warn_of_few_descriptors(config.max_connections);
    let mut proxy = Proxy::bind(config, || LOG.get().map_or(0, NonBlockingWriter::dropped)).await?;
    announce(&proxy.announcements())?;
    proxy.take_over().await?;
    proxy.run(shutdown).await;
    Ok(())
}

/// Tells whoever started the process that it is ready.
fn announce(lines: &[String]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(stdout, "{line}"))?;
    stdout.flush()
}
