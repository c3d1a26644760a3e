//! A service with key stores on SoftHSM, and a relay in front of the service.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::typestate::WithBody;
use ureq::{Agent, RequestBuilder};

use crate::clients::RelayedService;
use crate::secret_search;
use crate::simulator_process;
use crate::softhsm::{PIN, SPARE_PIN, SoftHsm};
use crate::store_config::Store;

/// Time limit that only a hang reaches.
pub(crate) const HANG_TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two checks of a condition for which a test waits.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running service. The process is killed on drop.
pub(crate) struct Service<'a> {
    pub(crate) hsm: &'a SoftHsm,
    process: Process,
    relayed: RelayedService,
    agent: Agent,
}

/// A process that is killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A received response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Response {
    /// Returns the error's name and status.
    pub(crate) fn error(&self) -> (&str, u16) {
        (self.body["__type"].as_str().unwrap_or("no error type"), self.status)
    }

    /// Returns the random bytes of a successful response.
    pub(crate) fn plaintext(&self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{self:?}");
        STANDARD.decode(self.body["Plaintext"].as_str().unwrap()).unwrap()
    }
}

/// ConnectionState and ConnectionErrorCode of a store in DescribeCustomKeyStores.
pub(crate) type State = (&'static str, Option<&'static str>);
pub(crate) const CONNECTED: State = ("CONNECTED", None);
pub(crate) const CONNECTING: State = ("CONNECTING", None);
pub(crate) const DISCONNECTED: State = ("DISCONNECTED", None);
/// The state of a store whose token is missing.
pub(crate) const TOKEN_MISSING: State = ("FAILED", Some("CLUSTER_NOT_FOUND"));
pub(crate) const INTERNAL_FAILURE: State = ("FAILED", Some("INTERNAL_ERROR"));

impl<'a> Service<'a> {
    /// Starts a service, and waits until it listens. The stores may not be connected yet.
    pub(crate) fn start(hsm: &'a SoftHsm) -> Self {
        Self::start_in(hsm, &[])
    }

    /// Starts a service with additional environment variables.
    pub(crate) fn start_in(hsm: &'a SoftHsm, environment: &[(&str, &str)]) -> Self {
        let mut process = spawn(hsm, environment);
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            // The receiver may be dropped after a timeout.
            drop(sender.send(line));
        });
        let line = lines.recv_timeout(HANG_TIMEOUT).unwrap();
        let address = line.trim().parse();
        let address =
            address.unwrap_or_else(|_| panic!("the service does not start: {}", log(hsm)));
        let relayed = RelayedService::in_front_of(address);
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(HANG_TIMEOUT)).proxy(None).build().into();
        Self { hsm, process, relayed, agent }
    }

    /// Returns the exit status and the log of a service that fails to start.
    pub(crate) fn fails_to_start(hsm: &SoftHsm) -> (ExitStatus, String) {
        let mut process = spawn(hsm, &[]);
        let status = wait_until("the service exits", || process.0.try_wait().unwrap());
        (status, log(hsm))
    }

    /// Returns the relay's URL.
    pub(crate) fn url(&self) -> &str {
        self.relayed.endpoint_url()
    }

    pub(crate) fn call(&self, operation: &str, parameters: &Value) -> Response {
        let mut response = self.request(operation).send(parameters.to_string()).unwrap();
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}"));
        Response { status, body }
    }

    /// Returns the receipt of a successful response.
    pub(crate) fn receipt(&self, operation: &str, parameters: &Value) -> String {
        let nonce = "A".repeat(22);
        let request = self.request(operation).header("x-attested-random-nonce", nonce);
        let response = request.send(parameters.to_string()).unwrap();
        let receipt = &response.headers()["x-attested-random-receipt"];
        receipt.to_str().unwrap().to_owned()
    }

    fn request(&self, operation: &str) -> RequestBuilder<WithBody> {
        let request = self.agent.post(self.url());
        let request = request.header("content-type", "application/x-amz-json-1.1");
        request.header("x-amz-target", format!("TrentService.{operation}"))
    }

    /// Requests random bytes of the store.
    pub(crate) fn draw(&self, id: &str, number_of_bytes: usize) -> Response {
        let parameters = json!({ "NumberOfBytes": number_of_bytes, "CustomKeyStoreId": id });
        self.call("GenerateRandom", &parameters)
    }

    /// Requests a document from the simulator.
    pub(crate) fn document(&self, document: &attested_recipient::Document) -> Vec<u8> {
        suite::client(self.url()).document(document).unwrap()
    }

    /// Returns the store's entry in DescribeCustomKeyStores.
    pub(crate) fn describe(&self, id: &str) -> Value {
        let response = self.call("DescribeCustomKeyStores", &json!({ "CustomKeyStoreId": id }));
        assert_eq!(response.status, 200, "{response:?}");
        response.body["CustomKeyStores"][0].clone()
    }

    /// Returns the value of `sample`, a metric name with its labels.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        let mut response = self.agent.get(format!("{}/metrics", self.url())).call().unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let value = |line: &str| {
            let rest = line.strip_prefix("attested_random_")?.strip_prefix(sample)?;
            rest.strip_prefix(' ')?.parse().ok()
        };
        text.lines().find_map(value).unwrap_or_else(|| panic!("{sample}: {text}"))
    }

    /// Counts the log lines that contain `text`.
    pub(crate) fn count_log_lines(&self, text: &str) -> usize {
        log(self.hsm).lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until `times` calls of `function` have returned.
    pub(crate) fn wait_until_called(&self, function: &str, times: usize) {
        wait_until(&format!("{function} is called {times} times"), || {
            (self.hsm.calls(function).len() >= times).then_some(())
        });
    }

    /// Waits until the store is in this state.
    pub(crate) fn wait_until_state(&self, store: &Store<'_>, state: State) {
        let mut last = Value::Null;
        let is_started = || {
            last = self.describe(store.id);
            is_in_state(&last, state).then_some(())
        };
        let start = Instant::now();
        if poll(is_started).is_none() {
            let log = log(self.hsm);
            panic!("the store is not {state:?} after {:?}: {last}\n{log}", start.elapsed());
        }
    }

    pub(crate) fn assert_state(&self, store: &Store<'_>, state: State) {
        let entry = self.describe(store.id);
        assert!(is_in_state(&entry, state), "{state:?}: {entry}");
    }

    /// Asserts that the state and the number of logins do not change for two seconds. A service
    /// that retries would log in again in this time, because its pauses are 250 ms, 500 ms and 1 s.
    pub(crate) fn assert_state_stays(&self, store: &Store<'_>, state: State) {
        let logins = self.hsm.calls("C_Login").len();
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            self.assert_state(store, state);
            assert_eq!(self.hsm.calls("C_Login").len(), logins);
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Asserts that the store's bytes come from one call of the module with exactly that length.
    pub(crate) fn assert_serves(&self, store: &Store<'_>, number_of_bytes: usize) {
        let before = self.hsm.calls("C_GenerateRandom").len();
        let random = self.draw(store.id, number_of_bytes).plaintext();
        assert_eq!(random.len(), number_of_bytes);
        let calls = self.hsm.calls("C_GenerateRandom");
        // Stuck calls from before the request may also return now.
        let given = calls[before..].iter().filter(|call| call.bytes == random);
        assert_eq!(given.count(), 1, "{calls:?}");
    }

    /// Asserts that requests without a store are unaffected.
    pub(crate) fn assert_serves_others(&self) {
        let response = self.call("GenerateRandom", &json!({ "NumberOfBytes": 32 }));
        assert_eq!(response.plaintext().len(), 32);
        let ready = self.agent.get(format!("{}/readyz", self.url())).call().unwrap();
        assert_eq!(ready.status().as_u16(), 200);
    }

    /// Stops the service, which must exit even if a module is stuck. Asserts that the service
    /// leaked no PIN.
    pub(crate) fn shut_down(mut self) {
        drop(self.process.0.stdin.take());
        let status = wait_until("the service exits", || self.process.0.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", log(self.hsm));
        assert_no_pin(self.hsm);
    }
}

/// Asserts that neither the log nor the audit trail contains a PIN.
pub(crate) fn assert_no_pin(hsm: &SoftHsm) {
    let log = log(hsm);
    // The check is useful only if the log is not empty.
    assert!(log.contains("service started"), "{log}");
    let audit = fs::read_to_string(hsm.path("audit")).unwrap();
    for (place, text) in [("log", &log), ("audit trail", &audit)] {
        for pin in [PIN, SPARE_PIN] {
            assert_eq!(
                secret_search::find(pin.as_bytes(), text.as_bytes()),
                None,
                "in the {place}: {text}"
            );
        }
    }
}

fn spawn(hsm: &SoftHsm, environment: &[(&str, &str)]) -> Process {
    let mut command = simulator_process::command(hsm.path("").as_path());
    command.envs(hsm.environment()).envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(File::create(hsm.path("log")).unwrap());
    Process(command.spawn().unwrap())
}

fn log(hsm: &SoftHsm) -> String {
    fs::read_to_string(hsm.path("log")).unwrap()
}

/// Returns whether the entry has this state.
pub(crate) fn is_in_state(entry: &Value, (state, code): State) -> bool {
    entry["ConnectionState"] == state
        && entry.get("ConnectionErrorCode").and_then(Value::as_str) == code
}

/// Polls `find` until it returns a value, and returns the value.
pub(crate) fn wait_until<T>(condition: &str, find: impl FnMut() -> Option<T>) -> T {
    poll(find).unwrap_or_else(|| panic!("timed out waiting until {condition}"))
}

fn poll<T>(mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + HANG_TIMEOUT;
    loop {
        let value = find();
        if value.is_some() || Instant::now() > end {
            return value;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
