//! HTTP, for libFuzzer: see `fuzz::http_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::http_request::run(data));
