//! The relay on the parent instance: command line, log, signals; the rest is in the library.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use parent_proxy::{Config, Relay};
use shared::transport::{Endpoint, announcement, shutdown_signal};

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    // Where stderr is gone or full, lines are lost; reporting that there would panic.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_target(false)
        .log_internal_errors(false)
        .init();
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = error.source(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    // Before anybody can know that this process exists, so that no signal finds it unprepared.
    let shutdown = shutdown_signal()?;
    parent_proxy::warn_of_few_descriptors(config.max_connections);
    let relay = Relay::bind(config).await?;
    announce(relay.local_endpoint())?;
    relay.run(shutdown).await;
    Ok(())
}

/// Tells whoever started the process that it is ready.
fn announce(endpoint: &Endpoint) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", announcement("parent-proxy", endpoint))?;
    stdout.flush()
}
