//! Real SDK clients that send requests at a steady rate, and the results of their requests.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use attested_recipient::{Client, Document, RecipientKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::load::BoxError;

/// Requests per second of [`SdkClients::start`]. boto3 sends half of the requests.
pub(crate) const RATE: u32 = 200;
/// Minimum share of the rate that the clients must reach. At a lower rate, the machine is too slow
/// for the benchmark.
const MIN_RATE_SHARE: f64 = 0.9;
/// Number of boto3 processes. Each has its own interpreter lock.
const BOTO3_PROCESSES: u32 = 2;
/// Threads per boto3 process.
const BOTO3_THREADS: u32 = 10;
/// Time after which a document is replaced. It is far below the service's maximum age of a
/// document.
const DOCUMENT_LIFETIME: Duration = Duration::from_secs(30);
/// Maximum age of a document if it cannot be replaced.
const MAX_DOCUMENT_AGE: Duration = Duration::from_secs(240);
/// Interval of the checks whether a document must be replaced.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Time limit for requests in flight at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(90);
/// Maximum number of errors that are printed.
const MAX_REPORTED_ERRORS: usize = 10;

/// Counts of requests by result.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    pub(crate) requests: u64,
    pub(crate) succeeded: u64,
    /// Successful requests that needed more than one attempt.
    pub(crate) retried: u64,
    pub(crate) failed: u64,
    /// Sealed responses that were decrypted here.
    pub(crate) opened: u64,
    /// The first errors.
    pub(crate) errors: Vec<String>,
}

/// The requests of all clients.
pub(crate) struct Workload<'a> {
    /// URL that the clients send requests to.
    pub(crate) url: &'a str,
    /// URL of the simulator that signs the documents of the requests.
    pub(crate) documents_url: &'a str,
    /// Requests per second of boto3.
    pub(crate) boto3_rate: u32,
    /// Requests per second of the SDK for JavaScript, or 0.
    pub(crate) javascript_rate: u32,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: RequestCounts,
    /// Successful requests per second.
    rate: f64,
    /// Requests per second that the clients should send.
    expected_rate: f64,
}

/// Client processes that send requests until they are stopped.
pub(crate) struct SdkClients {
    children: Vec<Child>,
    pipes: DocumentPipes,
    refresher: Option<JoinHandle<Result<(), BoxError>>>,
    readers: Vec<JoinHandle<Result<(), BoxError>>>,
    counts: Arc<Mutex<RequestCounts>>,
    key: Arc<RecipientKey>,
    started: Instant,
    expected_rate: f64,
}

/// The pipe to each process for new documents. `None` after the processes were told to stop.
type DocumentPipes = Arc<Mutex<Option<Vec<ChildStdin>>>>;

impl SdkClients {
    /// Starts clients of both SDKs, which send [`RATE`] requests per second to `url`. The service at
    /// `url` must be a simulator.
    pub(crate) fn start(url: &str) -> Result<Self, BoxError> {
        let (boto3_rate, javascript_rate) = (RATE / 2, RATE / 2);
        Self::start_workload(&Workload { url, documents_url: url, boto3_rate, javascript_rate })
    }

    /// Starts the clients of `workload`.
    pub(crate) fn start_workload(workload: &Workload<'_>) -> Result<Self, BoxError> {
        let Workload { url, documents_url, boto3_rate, javascript_rate } = *workload;
        let mut this = Self {
            children: Vec::new(),
            pipes: Arc::new(Mutex::new(Some(Vec::new()))),
            refresher: None,
            readers: Vec::new(),
            counts: Arc::default(),
            key: Arc::new(RecipientKey::generate()?),
            started: Instant::now(),
            expected_rate: f64::from(boto3_rate + javascript_rate),
        };
        for _ in 0..BOTO3_PROCESSES {
            let mut command = Command::new(installed()?.join("venv/bin/python"));
            command.arg(source("boto3_worker.py"));
            command.args([(boto3_rate / BOTO3_PROCESSES).to_string(), BOTO3_THREADS.to_string()]);
            this.spawn_client(command, url)?;
        }
        if javascript_rate > 0 {
            let mut command = Command::new("node");
            command.arg(source("javascript_worker.mjs")).arg(installed()?);
            command.arg(javascript_rate.to_string());
            this.spawn_client(command, url)?;
        }
        let (client, key, pipes) =
            (suite::client(documents_url), Arc::clone(&this.key), Arc::clone(&this.pipes));
        send_document(&pipes, &client, &key)?;
        // Another thread requests the documents. The server may be paused, and a blocked caller could
        // not resume the server.
        this.refresher = Some(thread::spawn(move || keep_documents_fresh(&pipes, &client, &key)));
        Ok(this)
    }

    fn spawn_client(&mut self, mut command: Command, url: &str) -> Result<(), BoxError> {
        // The process inherits only PATH, so that the developer's credentials, proxies and settings
        // have no effect.
        let path = env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LANG", "C.UTF-8").envs([
            ("AWS_ENDPOINT_URL_KMS", url),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            // Suppresses the warning that the SDK will require a newer Node.js.
            ("NODE_NO_WARNINGS", "1"),
            // Both SDKs recommend these settings. boto3's default is an older retry mode.
            ("AWS_RETRY_MODE", "standard"),
            ("AWS_MAX_ATTEMPTS", "3"),
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipe = child.stdin.take().ok_or("no stdin")?;
        lock(&self.pipes).get_or_insert_default().push(pipe);
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        self.children.push(child);
        let (counts, key) = (Arc::clone(&self.counts), Arc::clone(&self.key));
        self.readers.push(thread::spawn(move || {
            for line in stdout.lines() {
                lock(&counts).count(&line?, &key)?;
            }
            Ok(())
        }));
        Ok(())
    }

    /// Checks the client processes. Must be called repeatedly.
    ///
    /// # Errors
    /// Returns an error if a process has exited, or if documents could not be replaced for too long.
    pub(crate) fn check_running(&mut self) -> Result<(), BoxError> {
        for child in &mut self.children {
            if let Some(status) = child.try_wait()? {
                return Err(format!("an SDK client exited: {status}").into());
            }
        }
        match self.refresher.take_if(|refresher| refresher.is_finished()) {
            Some(refresher) => refresher.join().map_err(|_| "the document thread panicked")?,
            None => Ok(()),
        }
    }

    /// Waits for the requests in flight, and returns the result.
    pub(crate) fn stop(mut self) -> Result<Outcome, BoxError> {
        let elapsed = self.started.elapsed();
        drop(lock(&self.pipes).take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        for child in &mut self.children {
            while child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    return Err("an SDK client did not exit in time".into());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        for reader in self.readers.drain(..) {
            reader.join().map_err(|_| "a reader thread panicked")??;
        }
        let mut counts = lock(&self.counts);
        let rate = f64::from(u32::try_from(counts.succeeded)?) / elapsed.as_secs_f64();
        let expected_rate = self.expected_rate;
        Ok(Outcome { counts: mem::take(&mut counts), rate, expected_rate })
    }
}

/// Sends a new document to all processes.
fn send_document(
    pipes: &DocumentPipes,
    client: &Client,
    key: &RecipientKey,
) -> Result<(), BoxError> {
    let line = STANDARD.encode(client.document(&Document::for_key(key))?);
    for pipe in lock(pipes).iter_mut().flatten() {
        writeln!(pipe, "{line}")?;
        pipe.flush()?;
    }
    Ok(())
}

/// Replaces the documents regularly until the clients are stopped. Ignores a failed replacement
/// until the documents are too old.
fn keep_documents_fresh(
    pipes: &DocumentPipes,
    client: &Client,
    key: &RecipientKey,
) -> Result<(), BoxError> {
    let mut sent = Instant::now();
    loop {
        thread::sleep(POLL_INTERVAL);
        if lock(pipes).is_none() {
            return Ok(());
        }
        if sent.elapsed() < DOCUMENT_LIFETIME {
            continue;
        }
        match send_document(pipes, client, key) {
            Ok(()) => sent = Instant::now(),
            Err(error) if sent.elapsed() > MAX_DOCUMENT_AGE => return Err(error),
            Err(_) => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for SdkClients {
    fn drop(&mut self) {
        drop(lock(&self.pipes).take());
        for child in &mut self.children {
            // The process may have exited already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl RequestCounts {
    fn count(&mut self, line: &str, key: &RecipientKey) -> Result<(), BoxError> {
        let mut words = line.split(' ');
        let (Some(what), Some(attempts)) = (words.next(), words.next()) else {
            return Err(format!("invalid line of an SDK client: {line:?}").into());
        };
        let attempts: u64 = attempts.parse()?;
        self.requests += 1;
        if what != "ok" {
            self.failed += 1;
            if self.errors.len() < MAX_REPORTED_ERRORS {
                self.errors.push(format!("{what} at attempt {attempts}"));
            }
            return Ok(());
        }
        self.succeeded += 1;
        self.retried += u64::from(attempts > 1);
        if let Some(sealed) = words.next() {
            let random = key.open(&STANDARD.decode(sealed)?)?;
            if random.len() != 32 {
                return Err("a response has the wrong length".into());
            }
            self.opened += 1;
        }
        Ok(())
    }
}

impl Outcome {
    /// Prints the result and the first errors.
    pub(crate) fn print(&self) {
        let Self { counts, rate, .. } = self;
        let RequestCounts { requests, succeeded, retried, failed, opened, errors } = counts;
        println!(
            "{requests} requests, {succeeded} succeeded ({rate:.0}/s), {retried} of them after a \
             retry of the SDK, {failed} failed; {opened} sealed responses decrypted"
        );
        for error in errors {
            println!("failed: {error}");
        }
    }

    /// Returns whether all requests succeeded. At least one response must be sealed.
    pub(crate) fn all_succeeded(&self) -> bool {
        self.counts.failed == 0 && self.counts.opened > 0
    }

    /// Returns whether all requests succeeded and the rate was high enough. Prints a note if the rate
    /// was too low.
    pub(crate) fn passed(&self) -> bool {
        let slow = self.rate < MIN_RATE_SHARE * self.expected_rate;
        if slow {
            println!(
                "the clients did not reach the required request rate: this machine is too slow"
            );
        }
        self.all_succeeded() && !slow
    }
}

/// Returns `target/clients`, which `make` has updated.
fn installed() -> Result<PathBuf, BoxError> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
    match path.join("stamp").is_file() {
        true => Ok(path),
        false => Err("the SDK clients are not installed: run tests/suite/clients/setup.sh".into()),
    }
}

/// Returns the path of a file in `tests/suite/clients`.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}
