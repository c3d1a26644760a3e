//! Seeds of the target for endpoints: valid and invalid endpoints.

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let longest = format!("unix:{}", "a".repeat(107));
    let longer = format!("{longest}a");
    let host = format!("{}:80", "a.".repeat(127));
    let long = [longest, longer, host];
    let all = ENDPOINTS.iter().copied().chain(long.iter().map(String::as_str));
    all.map(|text| text.as_bytes().to_vec()).collect()
}

const ENDPOINTS: [&str; 30] = [
    "",
    "vsock:16:5000",
    "vsock:4294967295:4294967295",
    "vsock:4294967296:1",
    "vsock:03:1",
    "vsock:1",
    "vsock:+1:1",
    "unix:/run/a:b.sock",
    "unix:",
    "unix:a\0b",
    "unix:rel/ä",
    "tcp:127.0.0.1:0",
    "127.0.0.1:65536",
    "localhost:80",
    "tcp:tcp:80",
    "tcp:unix:80",
    "[::1]:80",
    "[::1",
    "[::ffff:1.2.3.4]:1",
    "[fe80::1%eth0]:80",
    "::1:80",
    "::1",
    "1.2.3:80",
    "0x7f.1:80",
    "1234:80",
    "http://localhost:80",
    "a b:80",
    "a-b.c_d:1",
    ":80",
    "tcp:",
];
