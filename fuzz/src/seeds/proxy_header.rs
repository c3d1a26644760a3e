//! Seeds of the target for PROXY headers: headers of this relay, headers of other relays, and
//! invalid headers.

use transport::{ConnectionId, ProxyHeader};

use super::mutations::mutated;

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let local = "127.0.0.1:8000".parse().ok();
    let own = |client: Option<&str>| {
        let client_addr = client.map(|client| client.parse().expect("the text is an address"));
        ProxyHeader { client_addr, connection_id: Some(ConnectionId([1, 2, 3, 4, 5, 6])) }
            .encode(local)
    };
    let (v4, v6) = (own(Some("192.0.2.7:50000")), own(Some("[2001:db8::7]:1")));
    let mut inputs = vec![own(None), [&v4[..], b"GET / HTTP/1.1\r\n\r\n"].concat(), Vec::new()];
    inputs.push(b"PROXY TCP4 192.0.2.7 127.0.0.1 9 8\r\n".to_vec());
    for (place, byte) in [(12, 0x20), (12, 0x22), (13, 0x12), (13, 0x31), (13, 0)] {
        let mut other = v4.clone();
        other[place] = byte;
        inputs.push(other);
    }
    inputs.extend(mutated(&v4, 40));
    inputs.extend(mutated(&v6, 20));
    inputs.extend([v4, v6]);
    inputs
}
