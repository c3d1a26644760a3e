//! Real SDK clients that ask at a steady pace, and what they are answered.

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

use crate::load::Failure;

/// Requests a second of all together: half of them boto3's.
pub(crate) const RATE: u32 = 200;
/// The least of it that is asked for; less says that the machine is too slow.
const ASKED: f64 = 0.9;
/// boto3's processes, each of which has an interpreter lock, and their threads.
const PROCESSES: u32 = 2;
const THREADS: u32 = 10;
/// How long a document is used: far below what makes one too old.
const FRESH: Duration = Duration::from_secs(30);
/// How long it may be used at most.
const TOO_OLD: Duration = Duration::from_secs(240);
/// How often it is looked whether it is to be another.
const TICK: Duration = Duration::from_millis(100);
/// How long the requests under way may take at the end.
const PATIENCE: Duration = Duration::from_secs(90);
/// Errors that are told in full.
const TOLD: usize = 10;

/// What became of all requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    /// Answered, but not at the first attempt.
    pub(crate) retried: u64,
    pub(crate) failed: u64,
    /// Sealed answers that were opened here.
    pub(crate) opened: u64,
    /// The first errors' names.
    pub(crate) errors: Vec<String>,
}

/// The same, once all is over.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Answers a second.
    rate: f64,
}

/// Who asks, until they are told to stop.
pub(crate) struct Workers {
    children: Vec<Child>,
    feeds: Feeds,
    feeder: Option<JoinHandle<Result<(), Failure>>>,
    readers: Vec<JoinHandle<Result<(), Failure>>>,
    tally: Arc<Mutex<Tally>>,
    key: Arc<RecipientKey>,
    started: Instant,
}

/// Where each of them takes documents; nowhere, once they are to end.
type Feeds = Arc<Mutex<Option<Vec<ChildStdin>>>>;

impl Workers {
    /// Ask at `url`, which has a simulator behind it.
    pub(crate) fn start(url: &str) -> Result<Self, Failure> {
        let mut commands = Vec::new();
        for _ in 0..PROCESSES {
            let mut command = Command::new(installed()?.join("venv/bin/python"));
            command.arg(source("boto3_worker.py"));
            command.args([(RATE / 2 / PROCESSES).to_string(), THREADS.to_string()]);
            commands.push(command);
        }
        let mut command = Command::new("node");
        command.arg(source("javascript_worker.mjs")).arg(installed()?);
        command.arg((RATE / 2).to_string());
        commands.push(command);

        let key = Arc::new(RecipientKey::generate()?);
        let (tally, feeds) = (Arc::default(), Arc::new(Mutex::new(Some(Vec::new()))));
        let (children, readers, started) = (Vec::new(), Vec::new(), Instant::now());
        let mut this = Self { children, feeds, feeder: None, readers, tally, key, started };
        for command in commands {
            this.employ(command, url)?;
        }
        let (client, key, feeds) =
            (Client::new(url), Arc::clone(&this.key), Arc::clone(&this.feeds));
        feed(&feeds, &client, &key)?;
        // On a thread of its own: whoever is asked may be paused, and who waits for it could not end that.
        this.feeder = Some(thread::spawn(move || keep_fed(&feeds, &client, &key)));
        Ok(this)
    }

    fn employ(&mut self, mut command: Command, url: &str) -> Result<(), Failure> {
        // Nothing but PATH is inherited: no credentials, proxies or settings of whoever runs this.
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
            // That the SDK will want a newer one.
            ("NODE_NO_WARNINGS", "1"),
            // boto3's default is an older way; these are what both SDKs recommend.
            ("AWS_RETRY_MODE", "standard"),
            ("AWS_MAX_ATTEMPTS", "3"),
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let feed = child.stdin.take().ok_or("no stdin")?;
        lock(&self.feeds).get_or_insert_default().push(feed);
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        self.children.push(child);
        let (tally, key) = (Arc::clone(&self.tally), Arc::clone(&self.key));
        self.readers.push(thread::spawn(move || {
            for line in stdout.lines() {
                lock(&tally).count(&line?, &key)?;
            }
            Ok(())
        }));
        Ok(())
    }

    /// To be called again and again.
    ///
    /// # Errors
    /// If one has ended, or has had no document for long.
    pub(crate) fn keep_going(&mut self) -> Result<(), Failure> {
        for child in &mut self.children {
            if let Some(status) = child.try_wait()? {
                return Err(format!("a client has ended: {status}").into());
            }
        }
        match self.feeder.take_if(|feeder| feeder.is_finished()) {
            Some(feeder) => feeder.join().map_err(|_| "the feeder panicked")?,
            None => Ok(()),
        }
    }

    /// Lets all finish what they ask; what became of it.
    pub(crate) fn stop(mut self) -> Result<Outcome, Failure> {
        let asked = self.started.elapsed();
        drop(lock(&self.feeds).take());
        let deadline = Instant::now() + PATIENCE;
        for child in &mut self.children {
            while child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    return Err("a client waits for an answer still".into());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        for reader in self.readers.drain(..) {
            reader.join().map_err(|_| "a reader panicked")??;
        }
        let mut tally = lock(&self.tally);
        let rate = f64::from(u32::try_from(tally.answered)?) / asked.as_secs_f64();
        Ok(Outcome { tally: mem::take(&mut tally), rate })
    }
}

/// Gives all a document of now.
fn feed(feeds: &Feeds, client: &Client, key: &RecipientKey) -> Result<(), Failure> {
    let line = STANDARD.encode(client.document(&Document::for_key(key))?);
    for feed in lock(feeds).iter_mut().flatten() {
        writeln!(feed, "{line}")?;
        feed.flush()?;
    }
    Ok(())
}

/// Does so again and again, until they are to end. That whoever is asked is down is no error for a while.
fn keep_fed(feeds: &Feeds, client: &Client, key: &RecipientKey) -> Result<(), Failure> {
    let mut fed = Instant::now();
    loop {
        thread::sleep(TICK);
        if lock(feeds).is_none() {
            return Ok(());
        }
        if fed.elapsed() < FRESH {
            continue;
        }
        match feed(feeds, client, key) {
            Ok(()) => fed = Instant::now(),
            Err(error) if fed.elapsed() > TOO_OLD => return Err(error),
            Err(_) => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Workers {
    fn drop(&mut self) {
        drop(lock(&self.feeds).take());
        for child in &mut self.children {
            // Who has ended by itself cannot be killed.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Tally {
    fn count(&mut self, line: &str, key: &RecipientKey) -> Result<(), Failure> {
        let mut words = line.split(' ');
        let (Some(what), Some(attempts)) = (words.next(), words.next()) else {
            return Err(format!("a client says {line:?}").into());
        };
        let attempts: u64 = attempts.parse()?;
        self.requests += 1;
        if what != "ok" {
            self.failed += 1;
            if self.errors.len() < TOLD {
                self.errors.push(format!("{what} at attempt {attempts}"));
            }
            return Ok(());
        }
        self.answered += 1;
        self.retried += u64::from(attempts > 1);
        if let Some(sealed) = words.next() {
            let random = key.open(&STANDARD.decode(sealed)?)?;
            if random.len() != 32 {
                return Err("an answer is of another length".into());
            }
            self.opened += 1;
        }
        Ok(())
    }
}

impl Outcome {
    /// Says what it came to, with the first errors.
    pub(crate) fn print(&self) {
        let Self { tally, rate } = self;
        let Tally { requests, answered, retried, failed, opened, errors } = tally;
        println!(
            "{requests} requests, {answered} answered ({rate:.0}/s), {retried} of them after the \
             SDK's retry, {failed} failed; {opened} sealed answers opened"
        );
        for error in errors {
            println!("failed: {error}");
        }
    }

    /// Returns whether every request was answered, sealed ones among them.
    pub(crate) fn is_served(&self) -> bool {
        self.tally.failed == 0 && self.tally.opened > 0
    }

    /// Whether all were answered, and were as many as they were to be; says if they were too few.
    pub(crate) fn is_good(&self) -> bool {
        let slow = self.rate < ASKED * f64::from(RATE);
        if slow {
            println!("the clients did not ask as often as they were to: this machine is too slow");
        }
        self.is_served() && !slow
    }
}

/// `target/clients`, which `make` has brought up to date.
fn installed() -> Result<PathBuf, Failure> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
    match path.join("stamp").is_file() {
        true => Ok(path),
        false => Err("no real clients: run tests/suite/clients/setup.sh".into()),
    }
}

/// A file in `tests/suite/clients`.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}
