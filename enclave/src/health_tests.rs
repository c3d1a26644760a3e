use attestation::crypto::fill_random;

use super::*;

fn block() -> Vec<u8> {
    let mut block = vec![0; RANDOM_BLOCK_LENGTH];
    fill_random(&mut block).unwrap();
    block
}

#[test]
fn accepts_random_blocks() {
    let mut tests = HealthTests::new();
    for number in 0..4096 {
        assert_eq!(tests.check(&block()), Ok(()), "block {number}");
    }
}

#[test]
fn rejects_block_of_another_length() {
    for length in [0, 1, 255, 257, 512] {
        let result = HealthTests::new().check_block(&vec![0; length]);
        assert_eq!(result, Err(HealthFault::Length { length }));
    }
}

#[test]
fn rejects_eight_equal_bytes_in_a_row_but_not_seven() {
    for (run, expected) in [(7, Ok(())), (8, Err(HealthFault::RepetitionCount))] {
        let mut block = block();
        // The bytes next to the run of equal bytes differ from the run.
        block[99] = 1;
        block[100..100 + run].fill(7);
        block[100 + run] = 1;
        assert_eq!(HealthTests::new().check(&block), expected, "{run}");
    }
}

#[test]
fn counts_equal_bytes_across_two_blocks() {
    for (before, expected) in [(3, Ok(())), (4, Err(HealthFault::RepetitionCount))] {
        let (mut first, mut second) = (block(), block());
        first[255 - before] = 1;
        first[256 - before..].fill(7);
        second[..4].fill(7);
        second[4] = 1;
        let mut tests = HealthTests::new();
        assert_eq!(tests.check(&first), Ok(()));
        assert_eq!(tests.check(&second), expected, "{before}");
    }
}

#[test]
fn rejects_counters_of_any_step() {
    for step in [1, 2, 3, 127, 128, 255_u8] {
        let block: Vec<u8> = (0..=u8::MAX).map(|n| n.wrapping_mul(step)).collect();
        let result = HealthTests::new().check(&block);
        assert_eq!(result, Err(HealthFault::RepetitionCount), "{step}");
    }
}

#[test]
fn rejects_35_equal_bytes_in_a_window_but_not_34() {
    // The first byte of the window repeats in both blocks of the window.
    for (count, expected) in [(34, Ok(())), (35, Err(HealthFault::AdaptiveProportion))] {
        let mut samples: Vec<u8> = [block(), block()].concat();
        samples.iter_mut().filter(|byte| **byte == 7).for_each(|byte| *byte = 8);
        samples.iter_mut().step_by(14).take(count).for_each(|byte| *byte = 7);
        let mut tests = HealthTests::new();
        assert_eq!(tests.check(&samples[..256]), Ok(()));
        assert_eq!(tests.check(&samples[256..]), expected, "{count}");
    }
}

#[test]
fn proportion_count_restarts_with_each_window() {
    // Each window of two blocks contains 20 equal bytes, so two windows contain 40 equal bytes.
    let mut tests = HealthTests::new();
    for number in 0..4 {
        let mut block = block();
        block.iter_mut().filter(|byte| **byte == 7).for_each(|byte| *byte = 8);
        block.iter_mut().step_by(20).take(10).for_each(|byte| *byte = 7);
        assert_eq!(tests.check(&block), Ok(()), "block {number}");
    }
}

#[test]
fn rejects_block_repeated_within_1024_blocks() {
    for (between, expected) in [
        (0, Err(HealthFault::RepeatedOutput)),
        (1023, Err(HealthFault::RepeatedOutput)),
        (1024, Ok(())),
    ] {
        let mut tests = HealthTests::new();
        let repeated = block();
        assert_eq!(tests.check(&repeated), Ok(()));
        for _ in 0..between {
            assert_eq!(tests.check(&block()), Ok(()));
        }
        assert_eq!(tests.check(&repeated), expected, "{between}");
    }
}

#[test]
fn rejects_repeated_output_of_any_length() {
    for length in 1..=1024 {
        let mut output = vec![0; length];
        fill_random(&mut output).unwrap();
        let mut tests = HealthTests::new();
        // The output has the length of two windows.
        let outputs = 2 + 1024 / length;
        let failed = (0..outputs).map(|_| tests.check(&output)).find(Result::is_err);
        assert!(failed.is_some(), "{length}");
    }
}

#[test]
fn accepts_random_outputs_of_any_length() {
    let mut tests = HealthTests::new();
    for length in (1..=1024).chain([1; 4096]) {
        let mut output = vec![0; length];
        fill_random(&mut output).unwrap();
        assert_eq!(tests.check(&output), Ok(()), "{length}");
    }
}

#[test]
fn start_up_tests_cover_1024_samples() {
    assert_eq!(START_UP_BLOCKS * RANDOM_BLOCK_LENGTH, 1024);
}

/// The cutoff of SP 800-90B section 4.4.1: C = 1 + ceil(-log2(alpha) / H).
#[test]
fn repetition_count_cutoff_matches_the_standard() {
    assert_eq!(REPETITION_CUTOFF, 1 + ALPHA_EXPONENT.div_ceil(MIN_ENTROPY));
}

/// SP 800-90B section 4.4.2: C = 1 + CRITBINOM(W, 2^-H, 1 - alpha). CRITBINOM is the smallest number of
/// samples that is exceeded with a probability of at most alpha.
#[test]
fn adaptive_proportion_cutoff_matches_the_standard() {
    let (window, p) = (f64::from(PROPORTION_WINDOW), 0.5_f64.powi(6));
    assert_eq!(MIN_ENTROPY, 6);
    let alpha = 0.5_f64.powi(40);
    // The sum begins with the smallest summands, so that rounding does not lose these summands. The largest
    // numbers of samples have the smallest summands. The summands are logarithms, because the first summand
    // is too small for a floating-point number.
    let mut log_probability = window * p.log2();
    let (mut exceeded, mut critical) = (0.0, window);
    while exceeded + log_probability.exp2() <= alpha {
        exceeded += log_probability.exp2();
        log_probability += (critical / (window - critical + 1.0) * (1.0 - p) / p).log2();
        critical -= 1.0;
    }
    assert_eq!(f64::from(PROPORTION_CUTOFF), 1.0 + critical);
}
