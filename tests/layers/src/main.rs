//! The command `layers`: checks the workspace, and prints its findings.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use layers::{CrateReport, Report, TABLE};

/// Checks that the modules of every crate form layers without cycles.
#[derive(Parser)]
struct Arguments {
    /// The folder of the workspace.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// The folder of the only crate to check, such as `enclave`.
    #[arg(long = "crate", value_name = "FOLDER")]
    only: Option<String>,
    /// Report cycles only, and require no entry in the table of layers.
    #[arg(long)]
    no_table: bool,
    /// Print the edges between the top-level modules of a crate, and the number of uses of each.
    #[arg(long, value_name = "CRATE", conflicts_with = "only")]
    graph: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // If stderr is closed, only the exit status reports the error.
            let _ = writeln!(io::stderr(), "layers: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let table = (!arguments.no_table && arguments.graph.is_none()).then_some(TABLE);
    let only = arguments.graph.as_deref().or(arguments.only.as_deref());
    let report = layers::check(&arguments.root, table, only)?;
    if arguments.graph.is_some() {
        report.crates.iter().try_for_each(print_graph)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&report)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) -> io::Result<()> {
    let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
    for checked in &report.crates {
        for finding in &checked.findings {
            writeln!(stderr, "{}: {finding}", checked.folder)?;
        }
    }
    for folder in &report.absent_crates {
        writeln!(
            stderr,
            "{folder}: the table lists this crate, which the workspace does not have"
        )?;
    }
    for checked in &report.crates {
        writeln!(stdout, "{checked}")?;
    }
    if !report.is_clean() {
        writeln!(stderr, "{}", report.summary())?;
    }
    Ok(())
}

fn print_graph(checked: &CrateReport) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    checked
        .edges
        .iter()
        .try_for_each(|edge| writeln!(stdout, "{} -> {} ({})", edge.from, edge.to, edge.uses))
}
