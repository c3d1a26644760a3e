//! The libFuzzer binary of the target for endpoints: see `fuzz::endpoint`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::endpoint::run(data));
