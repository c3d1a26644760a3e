//! The libFuzzer binary of the target for recipient keys: see `fuzz::recipient_key`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::recipient_key::run(data));
