//! Attestation documents, for libFuzzer: see `fuzz::document`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::document::run(data));
