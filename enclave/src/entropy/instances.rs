//! The DRBG's instances: one a thread, each behind a lock that nobody else wants meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::ctr_drbg::{CtrDrbg, DrbgError};
use super::fault::EntropyFault;
use crate::nsm::Block;

/// Tells this generator from any other that is seeded alike.
const PERSONALIZATION: &[u8] = b"attested-random CTR_DRBG AES-256 instance v1";

/// Tells a reseed from anything else that is done with the same bytes.
const RESEED_LABEL: &[u8] = b"attested-random CTR_DRBG AES-256 reseed v1";

/// Bytes of the operating system's that go into each reseed: should the NSM's be known to
/// somebody, these are not.
const SYSTEM_RANDOM_LENGTH: usize = 32;

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    drbg: CtrDrbg,
    /// `None` until the first time, so that nothing is generated from what it was instantiated
    /// with alone.
    reseeded: Option<Instant>,
}

impl Instance {
    /// Both blocks are used whole: 2,048 bits for a security strength of 256.
    pub(super) fn instantiate(entropy_input: &Block, nonce: &Block) -> Result<Self, DrbgError> {
        let drbg = CtrDrbg::instantiate(entropy_input.expose(), nonce.expose(), PERSONALIZATION)?;
        Ok(Self { drbg, reseeded: None })
    }

    /// Uses up a fresh block.
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
        self.reseeded = Some(now);
        Ok(())
    }

    /// Whether it must be reseeded before it may go on.
    pub(super) fn is_due(&self, requests: u64, period: Duration, now: Instant) -> bool {
        self.reseeded.is_none_or(|reseeded| now.duration_since(reseeded) >= period)
            || self.drbg.requests_since_reseed() >= requests
    }

    /// Generates since it was reseeded.
    #[cfg(test)]
    pub(super) fn requests_since_reseed(&self) -> u64 {
        self.drbg.requests_since_reseed()
    }

    /// Fills `out`.
    pub(super) fn generate(&mut self, out: &mut [u8]) -> Result<(), DrbgError> {
        self.drbg.generate(out, &[])
    }
}

/// All instances.
#[derive(Debug)]
pub(super) struct Instances(Vec<Mutex<Instance>>);

thread_local! {
    /// Which instance this thread tries first, so that each thread has its own.
    static FIRST: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

impl Instances {
    /// At least one, each where it was made: what is moved to another allocation leaves a copy.
    pub(super) fn new(instances: Vec<Mutex<Instance>>) -> Self {
        Self(instances)
    }

    /// One that is `wanted`, if possible one that nobody uses at the moment: nobody uses one for
    /// longer than it takes to generate. One that was left half-way is passed over.
    pub(super) fn find(
        &self,
        wanted: impl Fn(&Instance) -> bool,
    ) -> Option<MutexGuard<'_, Instance>> {
        let free = self.in_order().filter_map(|instance| instance.try_lock().ok());
        let any = self.in_order().filter_map(|instance| instance.lock().ok());
        free.chain(any).find(|instance| wanted(instance))
    }

    /// Whichever; in use are all only where there are more threads than instances.
    pub(super) fn any(&self) -> Result<MutexGuard<'_, Instance>, EntropyFault> {
        self.find(|_| true).ok_or(EntropyFault::Interrupted)
    }

    /// Whether there is one that was not left half-way.
    pub(super) fn check(&self) -> Result<(), EntropyFault> {
        match self.0.iter().all(Mutex::is_poisoned) {
            true => Err(EntropyFault::Interrupted),
            false => Ok(()),
        }
    }

    /// All of them, this thread's first.
    fn in_order(&self) -> impl Iterator<Item = &Mutex<Instance>> {
        let count = self.0.len();
        let own = FIRST.with(|first| first.checked_rem(count).unwrap_or_default());
        self.0.iter().cycle().skip(own).take(count)
    }
}

/// Randomness of the operating system's.
fn fill_from_system(bytes: &mut [u8]) -> Result<(), EntropyFault> {
    getrandom::fill(bytes).map_err(|_| EntropyFault::System)
}

/// Whether the operating system gives any.
pub(super) fn check_system() -> Result<(), EntropyFault> {
    fill_from_system(&mut [0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> Block {
        Block::new(Zeroizing::new(vec![byte; 256]))
    }

    fn instance() -> Instance {
        Instance::instantiate(&block(1), &block(2)).unwrap()
    }

    fn generated(instance: &mut Instance) -> [u8; 32] {
        let mut out = [0; 32];
        instance.generate(&mut out).unwrap();
        out
    }

    #[test]
    fn is_seeded_by_whole_blocks_with_its_labels_and_the_systems_randomness() {
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
    fn the_systems_randomness_is_fresh_each_time() {
        let outputs = [(); 2].map(|()| {
            let mut instance = instance();
            instance.reseed(block(3), Instant::now()).unwrap();
            generated(&mut instance)
        });
        assert_ne!(outputs[0], outputs[1]);
    }

    #[test]
    fn is_due_before_its_first_answer_and_at_either_limit() {
        let (mut instance, now) = (instance(), Instant::now());
        let period = Duration::from_secs(10);
        let due = |instance: &Instance, after| instance.is_due(2, period, now + after);
        assert!(due(&instance, Duration::ZERO));
        instance.reseed_with(block(3), &[4; 32], now).unwrap();
        assert!(!due(&instance, period - Duration::from_nanos(1)));
        assert!(due(&instance, period));
        generated(&mut instance);
        assert!(!due(&instance, Duration::ZERO));
        generated(&mut instance);
        assert!(due(&instance, Duration::ZERO));
    }

    #[test]
    fn another_is_free_while_one_is_in_use_and_one_left_half_way_is_none() {
        let instances = Instances::new([instance(), instance()].map(Mutex::new).into());
        let (one, other) = (instances.any().unwrap(), instances.any().unwrap());
        drop((one, other));
        let instances = Instances::new([instance(), instance()].map(Mutex::new).into());
        leave_one_half_way(&instances);
        // The other one still serves, also while somebody must wait for it.
        assert_eq!(instances.check(), Ok(()));
        generated(&mut instances.any().unwrap());
        let held = instances.any().unwrap();
        std::thread::scope(|scope| {
            let waits =
                scope.spawn(|| instances.any().map(|mut instance| generated(&mut instance)));
            drop(held);
            assert!(waits.join().unwrap().is_ok());
        });
        leave_one_half_way(&instances);
        assert_eq!(instances.check(), Err(EntropyFault::Interrupted));
        assert_eq!(instances.any().err(), Some(EntropyFault::Interrupted));
        assert_eq!(Instances::new(Vec::new()).any().err(), Some(EntropyFault::Interrupted));
    }

    /// As no code does: it panics with one in its hands.
    fn leave_one_half_way(instances: &Instances) {
        std::thread::scope(|scope| {
            let panics = || {
                let _instance = instances.any().unwrap();
                panic!("half-way");
            };
            assert!(scope.spawn(panics).join().is_err());
        });
    }
}
