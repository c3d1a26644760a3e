//! PROXY headers: the beginning of a connection.

use transport::ProxyHeader;

/// Bytes that a header has at most.
const MAX_LENGTH: usize = 16 + 1024;

/// What is read is as long as it says, is the same however it is cut, and is read from what would be
/// written for it; what is refused is refused within the longest header.
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
