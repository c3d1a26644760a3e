//! Benchmark of the overhead of an attested request over its cryptography. Steps 4 to 7 of a request
//! (verify, authorize, draw, seal) run on one thread of this process, and are compared with the bare
//! cryptographic primitives. The benchmark also measures the gain of a second thread, and the cost of
//! large caches and of long policies.
//!
//! Rounds are interleaved. Compare results only within one run, because machines vary.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use attestation::crypto::BenchPrimitives;
use attested_recipient::RecipientKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::clock::{Clock, SystemClock};

use self::documents::DocumentFactory;
use self::figures::Figures;
use self::in_process_service::{Cycle, InProcessService};
use self::load::BoxError;

mod documents;
#[path = "../figures/mod.rs"]
mod figures;
mod in_process_service;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
mod policies;

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(150);
/// Duration of a round with several threads. Such a round is longer, because the threads need time
/// to be scheduled.
const LONG_ROUND: Duration = Duration::from_millis(400);
const MANY_CHAINS: usize = 10_000;
/// Number of different documents. A round uses fewer documents.
const DOCUMENTS: usize = 1500;

/// Number of signatures to verify for a document with a chain of the usual length.
const SIGNATURES: usize = 5;

const NO_CACHE: &str = "cached_chains = 0\ncached_leaves = 0\ncached_documents = 0\n";
const CHAIN_CACHE: &str = "cached_leaves = 0\ncached_documents = 0\n";
const LEAF_CACHE: &str = "cached_documents = 0\n";

fn main() -> Result<(), BoxError> {
    let recipient = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem"))?;
    let mut factory = DocumentFactory::new(SystemClock.now(), &recipient)?;
    let bare = BenchPrimitives::new(&factory.signed_lengths()?, recipient.public_key_der(), 256)?;
    let mut figures = Figures::default();
    let mut failures = Vec::new();
    let mut require = |name: &str, value: f64, holds: bool| {
        if !holds {
            failures.push(format!("{name} is {value:.3}"));
        }
    };
    for (name, ratio, min_ratio) in compare_with_baseline(&mut factory, &bare, &mut figures)? {
        require(name, ratio, ratio >= min_ratio);
    }
    let gain = two_threads(&mut factory, &bare, &mut figures)?;
    require("two_workers_gain_vs_floor_gain", gain, gain >= 0.9);
    let many = many_chains(&mut factory, &mut figures)?;
    require("cached_chains_10000_vs_1", many, many >= 0.95);
    let microseconds = policies::cost(ROUNDS, &mut figures)?;
    require("policy_200_statements_us", microseconds, microseconds <= 10.0);
    figures.publish()?;
    match failures[..] {
        [] => Ok(()),
        _ => Err(format!("requirements not met: {}", failures.join(", ")).into()),
    }
}

/// A cache configuration, and the number of signatures that remain to be verified.
struct Case {
    name: &'static str,
    verification: &'static str,
    documents: Vec<Vec<u8>>,
    signatures: usize,
    min_ratio: f64,
}

fn cases(factory: &mut DocumentFactory) -> Result<[Case; 4], BoxError> {
    let one = vec![factory.document()?];
    let leaves =
        (0..DOCUMENTS).map(|_| factory.document_with_new_leaf()).collect::<Result<_, _>>()?;
    let documents = (0..DOCUMENTS).map(|_| factory.document()).collect::<Result<_, _>>()?;
    let case = |name, verification, documents, signatures, min_ratio| Case {
        name,
        verification,
        documents,
        signatures,
        min_ratio,
    };
    Ok([
        case("cold", NO_CACHE, one.clone(), SIGNATURES, 0.85),
        case("chain_known", CHAIN_CACHE, leaves, 2, 0.85),
        case("leaf_known", LEAF_CACHE, documents, 1, 0.80),
        case("same_document", "", one, 0, 0.60),
    ])
}

fn compare_with_baseline(
    factory: &mut DocumentFactory,
    bare: &BenchPrimitives,
    figures: &mut Figures,
) -> Result<Vec<(&'static str, f64, f64)>, BoxError> {
    let mut ratios = Vec::new();
    for Case { name, verification, documents, signatures, min_ratio } in cases(factory)? {
        let service = InProcessService::start(factory.root(), verification)?;
        let mut documents = Cycle::over(&documents);
        // The first documents fill the caches.
        service.rate(&mut documents, ROUND)?;
        let (mut ours, mut baseline) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(service.rate(&mut documents, ROUND)?);
            baseline.push(baseline_rate(bare, signatures, ROUND)?);
        }
        figures.add(&format!("attested_{name}_in_process"), "requests/s", ours.clone())?;
        figures.add(&format!("floor_{name}"), "requests/s", baseline.clone())?;
        let ratio = figures.add_ratio(&format!("attested_{name}_vs_floor"), &ours, &baseline)?;
        ratios.push((name, ratio, min_ratio));
    }
    Ok(ratios)
}

/// Returns how often per second the primitives of one request can be computed.
fn baseline_rate(
    bare: &BenchPrimitives,
    signatures: usize,
    round: Duration,
) -> Result<f64, BoxError> {
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < round {
        bare.verify(signatures)?;
        black_box(STANDARD.encode(bare.seal(&[7; 32])?));
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// Returns how often per second several threads can compute the primitives of one request.
fn parallel_baseline_rate(threads: usize, bare: &BenchPrimitives) -> Result<f64, BoxError> {
    let begin = Barrier::new(threads);
    thread::scope(|scope| {
        let rate = || -> Result<f64, BoxError> {
            begin.wait();
            baseline_rate(bare, SIGNATURES, LONG_ROUND)
        };
        let rates: Vec<_> = (0..threads).map(|_| scope.spawn(rate)).collect();
        let rates = rates.into_iter().map(|rate| rate.join().map_err(|_| "a thread panicked")?);
        rates.sum()
    })
}

/// Returns the gain of the service by a second thread, divided by the gain of the bare primitives
/// by a second thread.
fn two_threads(
    factory: &mut DocumentFactory,
    bare: &BenchPrimitives,
    figures: &mut Figures,
) -> Result<f64, BoxError> {
    let workers = |number: usize| {
        InProcessService::start(factory.root(), &format!("threads = {number}\n{NO_CACHE}"))
    };
    let [one, two] = [workers(1)?, workers(2)?];
    let bodies = Rc::new(vec![body(&factory.document()?)]);
    let (mut gains, mut baseline_gains) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = one.parallel_rate(&bodies, LONG_ROUND)?;
        gains.push(two.parallel_rate(&bodies, LONG_ROUND)? / alone);
        let alone = parallel_baseline_rate(1, bare)?;
        baseline_gains.push(parallel_baseline_rate(2, bare)? / alone);
    }
    figures.add("two_workers_gain", "ratio", gains.clone())?;
    figures.add("floor_gain", "ratio", baseline_gains.clone())?;
    figures.add_ratio("two_workers_gain_vs_floor_gain", &gains, &baseline_gains)
}

fn body(document: &[u8]) -> String {
    format!(
        r#"{{"NumberOfBytes":32,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{}"}}}}"#,
        STANDARD.encode(document)
    )
}

/// Returns the rate with ten thousand cached chains and leaves, divided by the rate with few cached
/// entries.
fn many_chains(factory: &mut DocumentFactory, figures: &mut Figures) -> Result<f64, BoxError> {
    let caches = "cached_chains = 20000\ncached_leaves = 20000\ncached_documents = 0\n";
    let documents = (0..MANY_CHAINS)
        .map(|_| factory.document_with_new_chain())
        .collect::<Result<Vec<_>, BoxError>>()?;
    let [few, many] = [
        InProcessService::start(factory.root(), caches)?,
        InProcessService::start(factory.root(), caches)?,
    ];
    // Both sets have the same number of documents, so that they use the processor's caches equally.
    let same =
        (0..MANY_CHAINS).map(|_| factory.document()).collect::<Result<Vec<_>, BoxError>>()?;
    let (mut same, mut different) = (Cycle::over(&same), Cycle::over(&documents));
    few.warm_up(&mut same, 1)?;
    many.warm_up(&mut different, MANY_CHAINS)?;
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(few.rate(&mut same, ROUND)?);
        all.push(many.rate(&mut different, ROUND)?);
    }
    figures.add("attested_10000_chains_known", "requests/s", all.clone())?;
    figures.add_ratio("cached_chains_10000_vs_1", &all, &one)
}
