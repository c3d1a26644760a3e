use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use super::*;

const ID: ConnectionId = ConnectionId([0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60]);

async fn read(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
    ProxyHeader::read(&mut &bytes[..]).await
}

/// Returns a header with these parts.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

#[test]
fn encodes_header_of_specification() {
    let client_addr = Some("192.0.2.7:50000".parse().unwrap());
    let written = ProxyHeader { client_addr, connection_id: Some(ID) };
    let expected = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x15"[..],
        &[192, 0, 2, 7, 127, 0, 0, 1, 0xc3, 0x50, 0x1f, 0x40],
        &[0x05, 0, 6, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60],
    ];
    let local = "127.0.0.1:8000".parse().unwrap();
    assert_eq!(written.encode(Some(local)), expected.concat());
    assert_eq!(ID.to_string(), "1b2c3d4e-5f60");
    assert_eq!(ConnectionId::from_number(0x0102_1b2c_3d4e_5f60), ID);
}

#[tokio::test]
async fn reads_encoded_header_and_no_byte_more() {
    for (client, local) in [
        ("192.0.2.7:50000", "127.0.0.1:8000"),
        ("[2001:db8::7]:1", "[::1]:65535"),
        ("[2001:db8::7]:1", "127.0.0.1:8000"),
    ] {
        for connection_id in [None, Some(ID)] {
            let client_addr = Some(client.parse().unwrap());
            let written = ProxyHeader { client_addr, connection_id };
            let mut bytes = written.encode(Some(local.parse().unwrap()));
            bytes.extend(b"GET");
            let mut stream = &bytes[..];
            assert_eq!(ProxyHeader::read(&mut stream).await.unwrap(), written);
            assert_eq!(stream, b"GET");
        }
    }
    // A client without an IP address.
    let written = ProxyHeader { client_addr: None, connection_id: Some(ID) };
    assert_eq!(read(&written.encode(None)).await.unwrap(), written);
}

#[tokio::test]
async fn reads_header_in_two_reads() {
    struct Counts<'a>(&'a [u8], usize);
    impl AsyncRead for Counts<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.1 += 1;
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }
    let written = ProxyHeader { client_addr: None, connection_id: Some(ID) };
    let bytes = written.encode(None);
    let mut stream = Counts(&bytes, 0);
    assert_eq!(ProxyHeader::read(&mut stream).await.unwrap(), written);
    assert_eq!(stream.1, 2);
}

#[tokio::test]
async fn ipv4_mapped_address_equals_ipv4() {
    let client_addr = Some("[::ffff:192.0.2.7]:9".parse().unwrap());
    let local = Some("[::ffff:127.0.0.1]:8".parse().unwrap());
    let bytes = ProxyHeader { client_addr, connection_id: None }.encode(local);
    assert_eq!(bytes[13], 0x11);
    assert_eq!(read(&bytes).await.unwrap().client_addr, Some("192.0.2.7:9".parse().unwrap()));
}

#[tokio::test]
async fn reads_headers_of_other_proxies() {
    let unknown = [0x21, 0, 2, 7, 7];
    let long_id = [0x05, 0, 7, 1, 2, 3, 4, 5, 6, 7];
    let tcp = [192, 0, 2, 7, 127, 0, 0, 1, 0, 9, 0, 8];
    for (bytes, has_client) in [
        (header(0x20, 0x00, &[]), false),
        // The rest of a LOCAL header is ignored.
        (header(0x20, 0x11, &[1]), false),
        (header(0x21, 0x00, &[]), false),
        (header(0x21, 0x31, &[7; 216][..]), false),
        (header(0x21, 0x11, &[&tcp[..], &unknown, &long_id].concat()), true),
    ] {
        let header = read(&bytes).await.unwrap();
        assert_eq!((header.client_addr.is_some(), header.connection_id), (has_client, None));
    }
}

#[tokio::test]
async fn rejects_invalid_header_by_its_rule() {
    let tcp = [192, 0, 2, 7, 127, 0, 0, 1, 0, 9, 0, 8];
    let with = |addition: &[u8]| header(0x21, 0x11, &[&tcp[..], addition].concat());
    for (bytes, rule) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "does not begin with a PROXY header of version 2"),
        (
            b"PROXY TCP4 192.0.2.7 127.0.0.1 9 8\r\n".to_vec(),
            "does not begin with a PROXY header of version 2",
        ),
        (header(0x22, 0x11, &tcp), "version and command of the PROXY header are 0x22"),
        (header(0x11, 0x11, &tcp), "version and command of the PROXY header are 0x11"),
        (header(0x21, 0x12, &tcp), "the PROXY header's family is 0x12"),
        (header(0x21, 0x00, &[4; 1025]), "declares 1025 more bytes: at most 1024 are allowed"),
        (header(0x21, 0x11, &tcp[..11]), "ends within an address"),
        (header(0x21, 0x21, &tcp), "ends within an address"),
        (header(0x21, 0x31, &[7; 215]), "ends within an address"),
        (with(&[0x04, 0]), "ends within an address or a TLV"),
        (with(&[0x04, 0, 2, 7]), "ends within an address or a TLV"),
        (with(&[0x03, 0, 4, 0, 0, 0, 0]), "has a checksum"),
        (with(&[0x04, 0, 1, 7])[..30].to_vec(), "the connection ended within"),
        (SIGNATURE[..11].to_vec(), "the connection ended within"),
    ] {
        let error = read(&bytes).await.unwrap_err().to_string();
        assert!(error.contains(rule), "{error}: {rule}");
    }
}
