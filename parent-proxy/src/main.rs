//! The relay on the parent instance: command line, log, signals; the rest is in the library.

use std::error::Error;
use std::future::pending;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;
use parent_proxy::{Config, Handout, Relay};
use shared::lines::{Lines, Log};
use shared::transport::limits::FLUSH_TIMEOUT;
use shared::transport::{Endpoint, announcement, shutdown_signal};

// Of the relay's threads the first is this one.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = Config::parse();
    match Lines::to("log", io::stderr()) {
        Ok(lines) => {
            let lines = LOG.get_or_init(|| lines);
            init_log(move || Log(lines));
        }
        // Without a thread, starting will fail as well, and say so.
        Err(_) => init_log(io::stderr),
    }
    let code = match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = error.source(), "{error}");
            ExitCode::FAILURE
        }
    };
    if let Some(lines) = LOG.get() {
        lines.flush(FLUSH_TIMEOUT);
    }
    code
}

/// The way to stderr: nobody waits for who reads it. Where it is gone or full, lines are lost;
/// reporting that there would panic, or wait.
static LOG: OnceLock<Lines<Vec<u8>>> = OnceLock::new();

fn init_log<W: Write + 'static>(writer: impl Fn() -> W + Send + Sync + 'static) {
    tracing_subscriber::fmt()
        .with_writer(writer)
        .with_target(false)
        .log_internal_errors(false)
        .init();
}

async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    // Before anybody can know that this process exists, so that no signal finds it unprepared.
    let shutdown = shutdown_signal()?;
    parent_proxy::warn_of_few_descriptors(config.max_connections);
    let handout = match (&config.config_archive, &config.config_listen) {
        (Some(_), Some(Endpoint::Tcp(_))) => {
            return Err(
                "--config-listen: whoever reaches a TCP port would get the configuration and \
                        its secrets: listen on vsock, vsock-mux or unix"
                    .into(),
            );
        }
        (Some(path), Some(endpoint)) => {
            let handout = Handout::bind(path.clone(), endpoint, &config.upstream).await?;
            handout.check().map_err(|error| format!("{}: {error}", path.display()))?;
            tracing::info!(on = %handout.local_endpoint(), "the enclave can take its configuration");
            Some(handout)
        }
        _ => None,
    };
    let relay = Relay::bind(config).await?;
    announce(relay.local_endpoint())?;
    let handout = async {
        match handout {
            Some(handout) => handout.run().await,
            None => pending().await,
        }
    };
    tokio::select! {
        _ = relay.run(shutdown) => {}
        () = handout => {}
    }
    Ok(())
}

/// Tells whoever started the process that it is ready.
fn announce(endpoint: &Endpoint) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", announcement("parent-proxy", endpoint))?;
    stdout.flush()
}
