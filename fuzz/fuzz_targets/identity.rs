//! The libFuzzer binary of the target for identities: see `fuzz::identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::identity::run(data));
