use std::collections::BTreeSet;
use std::time::Duration;

use shared::crypto::TAKES_OAEP_SEED;

use super::*;
use crate::clock::SystemClock;
use crate::entropy::EntropySettings;
use crate::nsm::fake::working;

/// One instance, and nothing fetched ahead.
async fn entropy(prediction_resistance: PredictionResistance) -> Entropy {
    let metrics = Arc::new(Metrics::new());
    let settings = EntropySettings { prefetch: 0, ..EntropySettings::default() };
    let booted = NsmThread::start(working(), SystemClock, &settings, Arc::clone(&metrics));
    let nsm = booted.await.unwrap().unwrap().nsm;
    Entropy::instantiate(nsm, 1, prediction_resistance, metrics).await.unwrap()
}

async fn draw(entropy: &Entropy, sealed: bool) -> Vec<u8> {
    let wanted = Wanted { number_of_bytes: 32, sealed };
    let drawn = entropy.draw(wanted).await.unwrap();
    assert_eq!(drawn.what(), wanted);
    drawn.random.expose().to_vec()
}

/// Generates that an answer takes.
fn generates(sealed: bool) -> u64 {
    match sealed {
        false => 1,
        true => 3 + u64::from(TAKES_OAEP_SEED),
    }
}

#[tokio::test]
async fn each_part_of_an_answer_is_a_generate_of_its_own_after_a_reseed() {
    let entropy = entropy(PredictionResistance::Request).await;
    let mut outputs = BTreeSet::new();
    for (count, sealed) in [false, true, true, false].into_iter().enumerate() {
        let calls = entropy.metrics.nsm_calls.get_random.get();
        assert!(outputs.insert(draw(&entropy, sealed).await));
        // Since the reseed, and not since the last one.
        let instance = entropy.instances.free().unwrap();
        assert_eq!(instance.requests_since_reseed(), generates(sealed));
        assert_eq!(entropy.metrics.nsm_calls.get_random.get(), calls + 1);
        assert_eq!(entropy.metrics.reseeds.get(), u64::try_from(count).unwrap() + 1);
    }
}

#[tokio::test]
async fn an_interval_is_as_many_generates_as_it_says() {
    let period = Duration::from_secs(3600);
    let entropy = entropy(PredictionResistance::Interval { requests: 3, period }).await;
    let mut reseeds = Vec::new();
    let mut outputs = BTreeSet::new();
    for _ in 0..7 {
        assert!(outputs.insert(draw(&entropy, false).await));
        reseeds.push(entropy.metrics.reseeds.get());
    }
    assert_eq!(reseeds, [1, 1, 1, 2, 2, 2, 3]);
}

#[tokio::test]
async fn what_is_too_much_for_a_generate_is_a_failure_that_is_counted() {
    let entropy = entropy(PredictionResistance::Request).await;
    let wanted = Wanted { number_of_bytes: 65_537, sealed: false };
    let fault = EntropyFault::Drbg(DrbgError::RequestTooLong { length: 65_537 });
    assert_eq!(entropy.draw(wanted).await.err(), Some(fault));
    assert_eq!(entropy.metrics.failures(&fault), 1);
}

#[test]
fn every_fault_is_counted_under_a_cause_that_is_shown() {
    let faults = [
        EntropyFault::Drbg(DrbgError::ReseedRequired),
        EntropyFault::Interrupted,
        EntropyFault::System,
    ];
    let own: Vec<_> = faults.iter().map(EntropyFault::cause).collect();
    let shown: Vec<_> = EntropyFault::causes().collect();
    assert_eq!(shown, [&NsmFault::CAUSES[..], &own].concat());
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len());
    assert_eq!(EntropyFault::Nsm(NsmFault::Full).cause(), "full");
}

#[test]
fn only_time_that_ran_out_is_a_timeout() {
    let deadline = Duration::from_secs(1);
    for (fault, is_timeout) in [
        (NsmFault::Deadline { deadline }, true),
        (NsmFault::Full, true),
        (NsmFault::Stuck { limit: deadline }, false),
        (NsmFault::ThreadEnded, false),
        (NsmFault::UnexpectedResponse, false),
    ] {
        assert_eq!(EntropyFault::Nsm(fault).is_timeout(), is_timeout, "{fault}");
    }
    assert!(!EntropyFault::System.is_timeout());
}
