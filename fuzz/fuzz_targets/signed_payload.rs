//! The libFuzzer binary of the target for signed payloads: see `fuzz::signed_payload`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::signed_payload::run(data));
