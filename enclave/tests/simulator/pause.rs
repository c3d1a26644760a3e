//! A simulator that SIGSTOP pauses for longer than its timeouts.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::process::{Simulator, get, is_ready};

/// Duration of the pause. It is longer than the timeouts of a wait for the NSM (1 s), of an NSM call (3 s),
/// of a PROXY header (5 s) and of a body (10 s).
const PAUSE: Duration = Duration::from_secs(11);

/// Number of clients that send requests continuously. At any moment, some of them wait for the NSM.
const CLIENTS: usize = 4;

/// A configuration with slow NSM calls. Some requests wait for blocks at the moment of the pause.
const CONFIG: &str = "[entropy]\nprefetch = 1\n[simulator.nsm]\nlatency_ms = 50\n";

const BODY: &str = r#"{"NumberOfBytes":1}"#;

impl Simulator {
    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Pauses the process, and waits until none of its threads runs.
    fn pause(&self) {
        self.signal("-STOP");
        let stat = format!("/proc/{}/stat", self.process.id());
        while !fs::read_to_string(&stat).unwrap().contains(") T ") {
            thread::yield_now();
        }
    }

    /// Returns the samples of a metric.
    fn samples(&self, metric: &str) -> Vec<u64> {
        let text = get(&mut TcpStream::connect(&self.endpoint).unwrap(), "/metrics");
        let samples = text.lines().filter(|line| line.starts_with(metric));
        samples.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    }
}

fn assert_success(response: &str) {
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("Plaintext"), "{response}");
}

/// Sends a request with an incomplete body.
fn send_half_a_request(simulator: &Simulator) -> TcpStream {
    let mut stream = TcpStream::connect(&simulator.endpoint).unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Content-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: {}\r\n\r\n{{",
        BODY.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn responds_to_requests_that_waited_during_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("enclave.toml");
    fs::write(&config, CONFIG).unwrap();
    let simulator = Simulator::start("127.0.0.1:0", &["--config", config.to_str().unwrap()]);
    let (stop, responses) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    assert_success(&simulator.generate_random(BODY));
                    responses.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while responses.load(Ordering::SeqCst) < 4 * CLIENTS {
            thread::yield_now();
        }
        let mut slow = send_half_a_request(&simulator);
        // After this response, the simulator waits for the rest of the body.
        assert_eq!(get(&mut TcpStream::connect(&simulator.endpoint).unwrap(), "/healthz"), "ok\n");
        simulator.pause();
        stop.store(true, Ordering::SeqCst);
        let delayed = scope.spawn(|| simulator.generate_random(BODY));
        thread::sleep(PAUSE);
        simulator.signal("-CONT");
        assert_success(&delayed.join().unwrap());
        slow.write_all(&BODY.as_bytes()[1..]).unwrap();
        let mut response = String::new();
        slow.read_to_string(&mut response).unwrap();
        assert_success(&response);
    });
    assert!(is_ready(&mut TcpStream::connect(&simulator.endpoint).unwrap()));
    for metric in ["nsm_faults_total", "entropy_failures_total", "clock_failures_total"] {
        let faults = simulator.samples(&format!("attested_random_{metric}"));
        assert!(faults.iter().all(|count| *count == 0), "{metric}: {faults:?}");
    }
    // One document at the start, and at least one after the pause.
    let documents = "attested_random_nsm_calls_total{request=\"Attestation\"}";
    assert!(simulator.samples(documents)[0] >= 2);
}
