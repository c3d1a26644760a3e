//! A pool of DRBG instances, one per thread, so that threads seldom wait for each other's locks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use zeroize::Zeroizing;

use super::ctr_drbg::{CtrDrbg, DrbgError};
use super::fault::EntropyFault;
use crate::nsm::Block;

/// Personalization string, which separates this generator from other generators with the same seed.
const PERSONALIZATION: &[u8] = b"attested-random CTR_DRBG AES-256 instance v1";

/// Additional input of a reseed, which separates reseeds from other uses of the same bytes.
const RESEED_LABEL: &[u8] = b"attested-random CTR_DRBG AES-256 reseed v1";

/// Number of random bytes that each reseed takes from the operating system. These bytes keep the output of
/// the DRBG secret even if an attacker knows the output of the NSM.
const SYSTEM_RANDOM_LENGTH: usize = 32;

/// A DRBG instance with the time of its last reseed.
#[derive(Debug)]
pub(super) struct DrbgInstance {
    drbg: CtrDrbg,
    /// Time of the last reseed. `None` before the first reseed, so that the reseed policy requires a reseed
    /// before the first use.
    reseeded_at: Option<Instant>,
}

impl DrbgInstance {
    /// Instantiates a DRBG from two whole blocks. Each block has 2,048 bits, and the security strength is
    /// 256 bits.
    pub(super) fn instantiate(entropy_input: &Block, nonce: &Block) -> Result<Self, DrbgError> {
        let drbg = CtrDrbg::instantiate(entropy_input.expose(), nonce.expose(), PERSONALIZATION)?;
        Ok(Self { drbg, reseeded_at: None })
    }

    /// Reseeds the instance from a fresh block and random bytes of the operating system.
    pub(super) fn reseed(&mut self, block: Block, now: Instant) -> Result<(), EntropyFault> {
        let mut system = Zeroizing::new([0; SYSTEM_RANDOM_LENGTH]);
        fill_from_system(&mut *system)?;
        Ok(self.reseed_with(block, &system, now)?)
    }

    fn reseed_with(
        &mut self,
        block: Block,
        system: &[u8; SYSTEM_RANDOM_LENGTH],
        now: Instant,
    ) -> Result<(), DrbgError> {
        self.drbg.reseed(block.expose(), [RESEED_LABEL, system])?;
        self.reseeded_at = Some(now);
        Ok(())
    }

    /// Returns the time of the last reseed.
    pub(super) fn reseeded_at(&self) -> Option<Instant> {
        self.reseeded_at
    }

    /// Returns the number of generate calls since the last reseed.
    pub(super) fn generate_calls_since_reseed(&self) -> u64 {
        self.drbg.generate_calls_since_reseed()
    }

    /// Fills `out` with random bytes.
    pub(super) fn generate(&mut self, out: &mut [u8]) -> Result<(), DrbgError> {
        self.drbg.generate(out, &[])
    }
}

/// A pool of DRBG instances.
#[derive(Debug)]
pub(super) struct DrbgPool(Vec<Mutex<DrbgInstance>>);

thread_local! {
    /// Index of the instance that this thread tries first.
    static OWN_INDEX: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

impl DrbgPool {
    /// Creates a pool of at least one instance. The instances are not moved to another allocation
    /// afterwards, because a move would leave a copy of their state.
    pub(super) fn new(instances: Vec<Mutex<DrbgInstance>>) -> Self {
        Self(instances)
    }

    /// Locks an instance that satisfies `predicate`. Skips poisoned instances, and waits for a lock only if
    /// no suitable instance is unlocked. A caller holds the lock only while it generates bytes.
    pub(super) fn lock_where(
        &self,
        predicate: impl Fn(&DrbgInstance) -> bool,
    ) -> Option<MutexGuard<'_, DrbgInstance>> {
        let unlocked = self.own_first().filter_map(|instance| instance.try_lock().ok());
        let any = self.own_first().filter_map(|instance| instance.lock().ok());
        unlocked.chain(any).find(|instance| predicate(instance))
    }

    /// Locks any instance that is not poisoned. A thread waits for a lock only if there are more threads
    /// than usable instances.
    pub(super) fn lock_any(&self) -> Result<MutexGuard<'_, DrbgInstance>, EntropyFault> {
        self.lock_where(|_| true).ok_or(EntropyFault::Interrupted)
    }

    /// Checks that at least one instance is not poisoned.
    pub(super) fn check(&self) -> Result<(), EntropyFault> {
        match self.0.iter().all(Mutex::is_poisoned) {
            true => Err(EntropyFault::Interrupted),
            false => Ok(()),
        }
    }

    /// Returns all instances. The instance of this thread is the first.
    fn own_first(&self) -> impl Iterator<Item = &Mutex<DrbgInstance>> {
        let count = self.0.len();
        let own = OWN_INDEX.with(|index| index.checked_rem(count).unwrap_or_default());
        self.0.iter().cycle().skip(own).take(count)
    }
}

/// Fills `bytes` with random bytes of the operating system.
fn fill_from_system(bytes: &mut [u8]) -> Result<(), EntropyFault> {
    getrandom::fill(bytes).map_err(|_| EntropyFault::System)
}

/// Checks that the operating system returns random bytes.
pub(super) fn check_system() -> Result<(), EntropyFault> {
    fill_from_system(&mut [0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> Block {
        Block::new(Zeroizing::new(vec![byte; 256]))
    }

    fn instance() -> DrbgInstance {
        DrbgInstance::instantiate(&block(1), &block(2)).unwrap()
    }

    fn generated(instance: &mut DrbgInstance) -> [u8; 32] {
        let mut out = [0; 32];
        instance.generate(&mut out).unwrap();
        out
    }

    #[test]
    fn seed_consists_of_blocks_labels_and_system_randomness() {
        let mut instance = instance();
        let mut drbg = CtrDrbg::instantiate(
            &[1; 256],
            &[2; 256],
            b"attested-random CTR_DRBG AES-256 instance v1",
        )
        .unwrap();
        instance.reseed_with(block(3), &[4; 32], Instant::now()).unwrap();
        let label = b"attested-random CTR_DRBG AES-256 reseed v1";
        drbg.reseed(&[3; 256], [label, &[4; 32]]).unwrap();
        let mut expected = [0; 32];
        drbg.generate(&mut expected, &[]).unwrap();
        assert_eq!(generated(&mut instance), expected);
    }

    #[test]
    fn system_randomness_is_fresh_for_each_reseed() {
        let outputs = [(); 2].map(|()| {
            let mut instance = instance();
            instance.reseed(block(3), Instant::now()).unwrap();
            generated(&mut instance)
        });
        assert_ne!(outputs[0], outputs[1]);
    }

    #[test]
    fn pool_skips_locked_and_poisoned_instances() {
        let pool = DrbgPool::new([instance(), instance()].map(Mutex::new).into());
        let (one, other) = (pool.lock_any().unwrap(), pool.lock_any().unwrap());
        drop((one, other));
        let pool = DrbgPool::new([instance(), instance()].map(Mutex::new).into());
        poison_one(&pool);
        // The other instance still works, even for a thread that must wait for it.
        assert_eq!(pool.check(), Ok(()));
        generated(&mut pool.lock_any().unwrap());
        let held = pool.lock_any().unwrap();
        std::thread::scope(|scope| {
            let waits =
                scope.spawn(|| pool.lock_any().map(|mut instance| generated(&mut instance)));
            drop(held);
            assert!(waits.join().unwrap().is_ok());
        });
        poison_one(&pool);
        assert_eq!(pool.check(), Err(EntropyFault::Interrupted));
        assert_eq!(pool.lock_any().err(), Some(EntropyFault::Interrupted));
        assert_eq!(DrbgPool::new(Vec::new()).lock_any().err(), Some(EntropyFault::Interrupted));
    }

    /// Poisons one instance by a panic while it is locked.
    fn poison_one(pool: &DrbgPool) {
        std::thread::scope(|scope| {
            let panics = || {
                let _instance = pool.lock_any().unwrap();
                panic!("a panic of this test");
            };
            assert!(scope.spawn(panics).join().is_err());
        });
    }
}
