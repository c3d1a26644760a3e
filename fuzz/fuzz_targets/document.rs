//! The libFuzzer binary of the target for attestation documents: see `fuzz::document`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::document::run(data));
