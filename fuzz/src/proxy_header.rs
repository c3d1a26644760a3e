//! The target for PROXY headers: arbitrary bytes at the start of a connection.

use transport::ProxyHeader;

/// Maximum length of a header, in bytes.
const MAX_LENGTH: usize = 16 + 1024;

/// Checks three properties:
/// - An accepted header has the length that its length field contains.
/// - An accepted header that is encoded and parsed again is equal to the first header.
/// - An invalid header is rejected after at most the maximum length.
pub fn run(data: &[u8]) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("the runtime starts");
    let read = |bytes: &[u8]| {
        let mut rest = bytes;
        let header = runtime.block_on(ProxyHeader::read(&mut rest));
        (header, bytes.len() - rest.len())
    };
    let (header, length) = read(data);
    assert!(length <= MAX_LENGTH, "{length}");
    match header {
        Ok(header) => {
            let (again, end) = read(&data[..length]);
            assert_eq!((again.expect("the header was accepted before"), end), (header, length));
            read(&data[..length - 1]).0.expect_err("a byte is missing");
            let local = header.client_addr;
            let written = header.encode(local);
            assert_eq!(read(&written).0.expect("the encoded header is valid"), header);
        }
        Err(error) => assert!(error.to_string().len() <= 200, "{error}"),
    }
}
