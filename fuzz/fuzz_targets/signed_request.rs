//! The libFuzzer binary of the target for signed requests: see `fuzz::signed_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::signed_request::run(data));
