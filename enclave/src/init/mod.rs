//! The start of this program as the first process of an enclave, which Linux calls init. The kernel starts
//! this process without mounted file systems, loaded modules or network interfaces. When the process ends,
//! the enclave ends.
//!
//! If another init, such as that of nitro-cli, started this program, the program skips these steps.

mod error;
mod heartbeat;
mod kernel;
mod reaper;

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::process::{self, ExitCode};
use std::{fs, io};

use clap::builder::Resettable;
use clap::{Command, CommandFactory, FromArgMatches};
use nix::sys::reboot::{RebootMode, reboot};
use tokio::runtime::Runtime;
use transport::{Endpoint, parse_command_line};

pub use self::error::InitError;
use self::error::{COMMAND, kernel_error};
use crate::audit::Audit;
use crate::config::{Arguments, EnclaveArguments};
use crate::egress::loopback;
use crate::logging_setup::{init_logging, report_exit};

/// CID that an enclave uses for the parent instance.
/// <https://docs.aws.amazon.com/enclaves/latest/user/nitro-enclave-concepts.html>
const PARENT_CID: u32 = 3;

/// File with the command line of the kernel.
const KERNEL_COMMAND_LINE: &str = "/proc/cmdline";

/// The context in which a process was started.
#[derive(Clone, Copy, Debug)]
pub struct ProcessContext {
    /// CID of the parent instance.
    pub parent_cid: u32,
    is_init: bool,
}

impl ProcessContext {
    /// Returns the audit trail. Its records go to the log endpoint. Without a log endpoint, the records go
    /// to standard output, except in the first process of an enclave. Without a log endpoint, the first
    /// process writes no records, for two reasons:
    ///
    /// - Its standard output is the enclave's console, which must not show any part of a request.
    /// - Each byte that is written to the console costs an exit to the hypervisor.
    pub fn audit(&self, log_endpoint: Option<&Endpoint>) -> Audit {
        if log_endpoint.is_some() || !self.is_init {
            return Audit::to_endpoint_or_stdout(log_endpoint);
        }
        tracing::info!(
            "audit records are not written, because the enclave's console must not show them: \
             set --log-endpoint"
        );
        Audit::disabled()
    }
}

/// Runs `service` with the name `program`. `commit` is the commit that `--version` shows.
///
/// The first process prepares the machine before it runs `service`. When `service` returns, the first
/// process restarts the machine, which ends the enclave.
pub fn run<F>(
    program: &str,
    commit: Option<&str>,
    service: impl FnOnce(EnclaveArguments, ProcessContext) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), Box<dyn Error>>>,
{
    if !is_init() {
        let arguments: EnclaveArguments = parse_command_line(commit);
        init_logging(&arguments.common);
        // During the shutdown, a second signal must end the process at once. The runtime handles that
        // signal, so the runtime is dropped after the last log lines are written.
        let runtime = Runtime::new();
        return report_exit(program, run_as_process(&runtime, arguments, service));
    }
    // The command line can only be read after file systems are mounted.
    init_logging(&Arguments::default());
    let code = report_exit(program, run_as_init(service));
    // `reboot` returns only if it fails. The kernel then reports that the first process has ended.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    code
}

/// Returns whether this is the first process of an enclave. A container also has a first process, but its
/// image contains no file [`COMMAND`].
fn is_init() -> bool {
    process::id() == 1 && Path::new(COMMAND).exists()
}

fn run_as_process<F>(
    runtime: &io::Result<Runtime>,
    arguments: EnclaveArguments,
    service: impl FnOnce(EnclaveArguments, ProcessContext) -> F,
) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = Result<(), Box<dyn Error>>>,
{
    // If the file is missing, the default CID applies.
    let line = fs::read_to_string(KERNEL_COMMAND_LINE).unwrap_or_default();
    let context = ProcessContext { parent_cid: parent_cid(&line)?, is_init: false };
    let runtime = runtime.as_ref().map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(service(arguments, context))
}

fn run_as_init<F>(
    service: impl FnOnce(EnclaveArguments, ProcessContext) -> F,
) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = Result<(), Box<dyn Error>>>,
{
    kernel::mount_all()?;
    let modules = kernel::load_modules(Path::new("/modules"))?;
    kernel::select_nsm_hwrng(Path::new("/sys/class/misc/hw_random"))?;
    let line = fs::read_to_string(KERNEL_COMMAND_LINE)
        .map_err(kernel_error(|| format!("cannot read {KERNEL_COMMAND_LINE}")))?;
    let context = ProcessContext { parent_cid: parent_cid(&line)?, is_init: true };
    loopback::bring_up().map_err(kernel_error(|| "cannot bring up lo".to_owned()))?;
    let arguments = fs::read_to_string(COMMAND)
        .map_err(kernel_error(|| format!("cannot read {COMMAND}")))
        .and_then(|text| parse_arguments(&text))?;
    tracing::info!(
        modules,
        parent_cid = context.parent_cid,
        "started as the enclave's first process"
    );
    let runtime = Runtime::new().map_err(kernel_error(|| "cannot start threads".to_owned()))?;
    runtime.block_on(async {
        reaper::start()?;
        heartbeat::send(context.parent_cid).await?;
        service(arguments, context).await
    })
}

/// Parses arguments, one per line. The first argument is the name of the program.
fn parse_arguments(text: &str) -> Result<EnclaveArguments, InitError> {
    init_command()
        .try_get_matches_from(text.lines())
        .and_then(|matches| EnclaveArguments::from_arg_matches(&matches))
        .map_err(|error| InitError::Command(error.to_string().trim_end().to_owned()))
}

/// Returns the command-line parser of the first process. The parser ignores environment variables, because
/// the kernel's command line can set them.
fn init_command() -> Command {
    EnclaveArguments::command().mut_args(|argument| argument.env(Resettable::Reset))
}

/// Returns the parent's CID from the kernel's command line, or the default.
fn parent_cid(line: &str) -> Result<u32, InitError> {
    let words = line.split_ascii_whitespace().rev();
    let mut parsed = words.filter_map(|word| word.strip_prefix("parent_cid="));
    match parsed.next() {
        None => Ok(PARENT_CID),
        Some(cid) => cid.parse().map_err(|_| InitError::ParentCid(cid.to_owned())),
    }
}

/// Returns a folder with `files`, in place of the kernel's files.
#[cfg(test)]
fn folder_with(files: &[(&str, &str)]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_owned();
    (folder, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_cid_defaults_to_3() {
        assert_eq!(parent_cid("reboot=k panic=30\n").unwrap(), 3);
        assert_eq!(parent_cid("a=b parent_cid=2\n").unwrap(), 2);
        assert_eq!(parent_cid("parent_cid=2 parent_cid=16").unwrap(), 16);
        assert_eq!(parent_cid("xparent_cid=2").unwrap(), 3);
        for line in ["parent_cid=", "parent_cid=-1", "parent_cid=4294967296", "parent_cid=host"] {
            let error = parent_cid(line).unwrap_err().to_string();
            assert!(error.starts_with(line) && error.contains("is not a CID"), "{error}");
        }
    }

    #[test]
    fn command_file_has_one_argument_per_line() {
        let text = "/init\n--listen\nvsock:4294967295:5000\n--config-from-parent\n5001\n";
        let parsed = parse_arguments(text).unwrap();
        assert_eq!(parsed.common.listen, Some(Endpoint::Vsock { cid: u32::MAX, port: 5000 }));
        assert_eq!((parsed.common.config, parsed.config_from_parent), (None, Some(5001)));
        for (text, expected) in [
            ("/init\n--listen\n5000\n", "has no port"),
            ("/init\n--listen\n127.0.0.1:0\n--simulator\n", "--simulator"),
            (
                "/init\n--listen\n127.0.0.1:0\n--config\na\n--config-from-parent\n1\n",
                "cannot be used",
            ),
        ] {
            let error = parse_arguments(text).unwrap_err().to_string();
            assert!(error.starts_with("/cmd: ") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn init_arguments_ignore_the_environment() {
        let variables = |command: Command| {
            command.get_arguments().filter(|argument| argument.get_env().is_some()).count()
        };
        assert_eq!(variables(EnclaveArguments::command()), 8);
        assert_eq!(variables(init_command()), 0);
    }

    #[test]
    fn init_writes_audit_records_only_to_a_log_endpoint() {
        let init = ProcessContext { parent_cid: 3, is_init: true };
        for (log_endpoint, expected) in [(None, false), (Some("unix:/nonexistent/log"), true)] {
            let log_endpoint: Option<Endpoint> = log_endpoint.map(|text| text.parse().unwrap());
            assert_eq!(init.audit(log_endpoint.as_ref()).is_written(), expected);
            let process = ProcessContext { is_init: false, ..init };
            assert!(process.audit(log_endpoint.as_ref()).is_written());
        }
    }
}
