//! What an attested request takes beside its arithmetic: steps 4 to 7 (verify, admit, draw, seal) in this
//! process, on one thread, over the bare primitives that they cannot do without; then what a second worker
//! gains, and what much that is remembered, and long policies, cost.
//!
//! Rounds are interleaved, and figures are to be compared within one run: machines are noisy.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

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

use self::figures::Figures;
use self::load::Failure;
use self::minted::Mint;
use self::served::{Cycle, Served};

#[path = "../figures/mod.rs"]
mod figures;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod load;
mod minted;
mod policies;
mod served;

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(150);
/// Where threads have to find processors.
const LONG_ROUND: Duration = Duration::from_millis(400);
const MANY_CHAINS: usize = 10_000;
/// Documents in turn where each must differ from the last: far more than a round takes.
const DOCUMENTS: usize = 1500;

/// All signatures of a genuine document.
const SIGNATURES: usize = 5;

const NOTHING: &str = "cached_chains = 0\ncached_leaves = 0\ncached_documents = 0\n";
const CHAINS: &str = "cached_leaves = 0\ncached_documents = 0\n";
const LEAVES: &str = "cached_documents = 0\n";

fn main() -> Result<(), Failure> {
    let recipient = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem"))?;
    let mut mint = Mint::new(SystemClock.now(), &recipient)?;
    let bare = BenchPrimitives::new(&mint.signed_lengths()?, recipient.public_key_der(), 256)?;
    let mut figures = Figures::default();
    let mut missed = Vec::new();
    let mut hold = |name: &str, value: f64, holds: bool| {
        if !holds {
            missed.push(format!("{name} is {value:.3}"));
        }
    };
    for (name, ratio, least) in against_the_floor(&mut mint, &bare, &mut figures)? {
        hold(name, ratio, ratio >= least);
    }
    let gain = two_workers(&mut mint, &bare, &mut figures)?;
    hold("two_workers_gain_vs_floor_gain", gain, gain >= 0.9);
    let many = many_chains(&mut mint, &mut figures)?;
    hold("cached_chains_10000_vs_1", many, many >= 0.95);
    let microseconds = policies::cost(ROUNDS, &mut figures)?;
    hold("policy_200_statements_us", microseconds, microseconds <= 10.0);
    figures.publish()?;
    match missed[..] {
        [] => Ok(()),
        _ => Err(format!("what is required is missed: {}", missed.join(", ")).into()),
    }
}

/// A way to be known, and what is left to do.
struct Case {
    name: &'static str,
    verification: &'static str,
    documents: Vec<Vec<u8>>,
    signatures: usize,
    least: f64,
}

fn cases(mint: &mut Mint) -> Result<[Case; 4], Failure> {
    let one = vec![mint.document()?];
    let leaves = (0..DOCUMENTS).map(|_| mint.with_leaf()).collect::<Result<_, _>>()?;
    let documents = (0..DOCUMENTS).map(|_| mint.document()).collect::<Result<_, _>>()?;
    let case = |name, verification, documents, signatures, least| Case {
        name,
        verification,
        documents,
        signatures,
        least,
    };
    Ok([
        case("cold", NOTHING, one.clone(), SIGNATURES, 0.85),
        case("chain_known", CHAINS, leaves, 2, 0.85),
        case("leaf_known", LEAVES, documents, 1, 0.80),
        case("same_document", "", one, 0, 0.60),
    ])
}

fn against_the_floor(
    mint: &mut Mint,
    bare: &BenchPrimitives,
    figures: &mut Figures,
) -> Result<Vec<(&'static str, f64, f64)>, Failure> {
    let mut ratios = Vec::new();
    for Case { name, verification, documents, signatures, least } in cases(mint)? {
        let served = Served::start(mint.root(), verification)?;
        let mut documents = Cycle::over(&documents);
        // What is to be known becomes so.
        served.rate(&mut documents, ROUND)?;
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(served.rate(&mut documents, ROUND)?);
            floor.push(bare_rate(bare, signatures, ROUND)?);
        }
        figures.add(&format!("attested_{name}_in_process"), "requests/s", ours.clone())?;
        figures.add(&format!("floor_{name}"), "requests/s", floor.clone())?;
        let ratio = figures.add_ratio(&format!("attested_{name}_vs_floor"), &ours, &floor)?;
        ratios.push((name, ratio, least));
    }
    Ok(ratios)
}

/// How often a second the primitives of one request can be done.
fn bare_rate(bare: &BenchPrimitives, signatures: usize, round: Duration) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < round {
        bare.verify(signatures)?;
        black_box(STANDARD.encode(bare.seal(&[7; 32])?));
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// The same on so many threads at once.
fn bare_rate_of(threads: usize, bare: &BenchPrimitives) -> Result<f64, Failure> {
    let begin = Barrier::new(threads);
    thread::scope(|scope| {
        let rate = || -> Result<f64, Failure> {
            begin.wait();
            bare_rate(bare, SIGNATURES, LONG_ROUND)
        };
        let rates: Vec<_> = (0..threads).map(|_| scope.spawn(rate)).collect();
        let rates = rates.into_iter().map(|rate| rate.join().map_err(|_| "a thread panicked")?);
        rates.sum()
    })
}

/// What a second worker gains, over what a second thread of bare arithmetic does.
fn two_workers(
    mint: &mut Mint,
    bare: &BenchPrimitives,
    figures: &mut Figures,
) -> Result<f64, Failure> {
    let workers =
        |number: usize| Served::start(mint.root(), &format!("threads = {number}\n{NOTHING}"));
    let [one, two] = [workers(1)?, workers(2)?];
    let bodies = Rc::new(vec![body(&mint.document()?)]);
    let (mut gains, mut floor_gains) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = one.rate_of_workers(&bodies, LONG_ROUND)?;
        gains.push(two.rate_of_workers(&bodies, LONG_ROUND)? / alone);
        let alone = bare_rate_of(1, bare)?;
        floor_gains.push(bare_rate_of(2, bare)? / alone);
    }
    figures.add("two_workers_gain", "ratio", gains.clone())?;
    figures.add("floor_gain", "ratio", floor_gains.clone())?;
    figures.add_ratio("two_workers_gain_vs_floor_gain", &gains, &floor_gains)
}

fn body(document: &[u8]) -> String {
    format!(
        r#"{{"NumberOfBytes":32,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{}"}}}}"#,
        STANDARD.encode(document)
    )
}

/// What it costs that ten thousand chains are known, each of whose leaves is as well.
fn many_chains(mint: &mut Mint, figures: &mut Figures) -> Result<f64, Failure> {
    let room = "cached_chains = 20000\ncached_leaves = 20000\ncached_documents = 0\n";
    let documents =
        (0..MANY_CHAINS).map(|_| mint.with_chain()).collect::<Result<Vec<_>, Failure>>()?;
    let [few, many] = [Served::start(mint.root(), room)?, Served::start(mint.root(), room)?];
    // As many documents in turn, which the processor's caches hold no better.
    let same = (0..MANY_CHAINS).map(|_| mint.document()).collect::<Result<Vec<_>, Failure>>()?;
    let (mut same, mut different) = (Cycle::over(&same), Cycle::over(&documents));
    few.know(&mut same, 1)?;
    many.know(&mut different, MANY_CHAINS)?;
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(few.rate(&mut same, ROUND)?);
        all.push(many.rate(&mut different, ROUND)?);
    }
    figures.add("attested_10000_chains_known", "requests/s", all.clone())?;
    figures.add_ratio("cached_chains_10000_vs_1", &all, &one)
}
