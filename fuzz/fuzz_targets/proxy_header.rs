//! PROXY headers, for libFuzzer: see `fuzz::proxy_header`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::proxy_header::run(data));
