//! The libFuzzer binary of the target for HTTP: see `fuzz::http_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::http_request::run(data));
