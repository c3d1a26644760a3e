//! The libFuzzer binary of the target for envelopes: see `fuzz::cms_open`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::cms_open::run(data));
