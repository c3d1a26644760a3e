//! Credentials, and the signing keys that are derived from the secrets of credentials.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use attestation::crypto::{HmacSha256, SHA_256_LENGTH};
use attestation::time::UnixMillis;
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::principal::Principal;

pub(super) const SERVICE: &str = "kms";
pub(super) const TERMINATOR: &str = "aws4_request";

/// A credential of a principal.
#[derive(Debug)]
pub struct Credential {
    /// The access key ID. [`is_access_key_id`](super::is_access_key_id) must return true for this text.
    pub access_key_id: Arc<str>,
    /// The secret that clients sign requests with.
    pub secret_access_key: Secret,
    /// The required value of X-Amz-Security-Token. With `None`, requests with this header are rejected.
    pub session_token: Option<Secret>,
    /// The time from which the credential is invalid.
    pub expires: Option<UnixMillis>,
    /// The principal that the credential belongs to.
    pub principal: Arc<Principal>,
}

/// A signing key for one day, one region and KMS. Wiped on drop.
pub(super) struct SigningKey(Zeroizing<[u8; SHA_256_LENGTH]>);

impl SigningKey {
    /// Derives the key. Wipes the intermediate keys.
    ///
    /// Source: "Derive a signing key", in "Create a signed AWS API request" of the IAM User Guide.
    pub(super) fn derive(secret: &Secret, date: &str, region: &str, service: &str) -> Self {
        let key = Zeroizing::new(["AWS4", secret.expose()].concat());
        let key = hmac_sha256(key.as_bytes(), date);
        let key = hmac_sha256(&*key, region);
        let key = hmac_sha256(&*key, service);
        Self(hmac_sha256(&*key, TERMINATOR))
    }

    pub(super) fn hmac(&self) -> HmacSha256 {
        HmacSha256::new(&*self.0)
    }

    #[cfg(test)]
    pub(super) fn expose(&self) -> &[u8; SHA_256_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}

fn hmac_sha256(key: &[u8], message: &str) -> Zeroizing<[u8; SHA_256_LENGTH]> {
    let mut hmac = HmacSha256::new(key);
    hmac.update(message.as_bytes());
    hmac.finish()
}

/// A cache of the two most recently derived signing keys of one credential. A signing key is valid for one day, and
/// around midnight requests for two days arrive.
#[derive(Debug, Default)]
pub(super) struct SigningKeyCache(RwLock<[Option<DatedKey>; 2]>);

/// A day and the key for this day. Days are counted from 1970-01-01.
type DatedKey = (u64, Arc<SigningKey>);

impl SigningKeyCache {
    /// Returns the signing key for the day of `signed_at`. `date` is the same day in the format YYYYMMDD. `secret`
    /// and `region` must be the same in every call.
    pub(super) fn key(
        &self,
        secret: &Secret,
        signed_at: UnixMillis,
        date: &str,
        region: &str,
    ) -> Arc<SigningKey> {
        let day = signed_at.as_secs() / SECONDS_PER_DAY;
        // A poisoned lock is usable, because every write replaces whole keys.
        let cached = find(&self.0.read().unwrap_or_else(PoisonError::into_inner), day);
        cached.unwrap_or_else(|| {
            let key = Arc::new(SigningKey::derive(secret, date, region, SERVICE));
            let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
            // Another request may have inserted the same key since the lookup.
            find(&keys, day).unwrap_or_else(|| {
                let [newer, older] = &mut *keys;
                *older = newer.replace((day, Arc::clone(&key)));
                key
            })
        })
    }

    #[cfg(test)]
    pub(super) fn days(&self) -> Vec<u64> {
        self.0.read().unwrap().iter().flatten().map(|(day, _)| *day).collect()
    }
}

const SECONDS_PER_DAY: u64 = 86_400;

fn find(keys: &[Option<DatedKey>; 2], day: u64) -> Option<Arc<SigningKey>> {
    keys.iter().flatten().find(|(cached, _)| *cached == day).map(|(_, key)| Arc::clone(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_keys_survive_a_poisoned_lock() {
        let keys = SigningKeyCache::default();
        let secret = Secret::new("secret".to_owned());
        let key = |keys: &SigningKeyCache, day| {
            keys.key(&secret, UnixMillis::from_secs(day * SECONDS_PER_DAY), "19700101", "eu-west-1")
        };
        let before = key(&keys, 0);
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _keys = keys.0.write().unwrap();
                panic!("on purpose");
            });
            assert!(panics.join().is_err() && keys.0.is_poisoned());
        });
        assert!(Arc::ptr_eq(&key(&keys, 0), &before));
        assert!(!Arc::ptr_eq(&key(&keys, 1), &before));
    }
}
