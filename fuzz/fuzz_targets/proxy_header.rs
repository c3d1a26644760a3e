//! The libFuzzer binary of the target for PROXY headers: see `fuzz::proxy_header`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::proxy_header::run(data));
