//! The binary of the relay: command line, log and signals. The library does the rest.

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

/// The commit that the binary is built from, set by the Makefile.
const COMMIT: Option<&str> = option_env!("ATTESTED_RANDOM_COMMIT");

// The main thread is the first relay thread.
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
            // The log is not set up yet. If stderr fails, only the exit status reports the error.
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
        // If no thread can be started, the start of the relay will fail too. This log reports that error.
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
        // The flush runs on another thread, because this thread must handle a second signal.
        let _ = spawn_blocking(|| lines.flush(FLUSH_TIMEOUT)).await;
    }
    code
}

/// The writer of the log to stderr. It never blocks: if stderr is closed or full, lines are dropped.
/// Reporting the loss on stderr would panic or block.
static LOG: OnceLock<NonBlockingWriter<Vec<u8>>> = OnceLock::new();

async fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    // The handlers are installed before this process announces itself, so that it handles every signal.
    let shutdown = shutdown_signal()?;
    parent_proxy::warn_of_few_descriptors(config.max_connections);
    let mut proxy = Proxy::bind(config, || LOG.get().map_or(0, NonBlockingWriter::dropped)).await?;
    announce(&proxy.announcements())?;
    proxy.take_over().await?;
    proxy.run(shutdown).await;
    Ok(())
}

/// Prints the lines that announce the endpoints to the process that started this one.
fn announce(lines: &[String]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(stdout, "{line}"))?;
    stdout.flush()
}
