//! Tests of client addresses in the header of the PROXY protocol.

use attested_recipient::Simulator;
use serde_json::Value;
use transport::{ConnectionId, ProxyHeader};

use super::credentials::sigv4;
use super::policies::{policy, statement};
use super::service::{ConfiguredService, denied};
use super::tcp_relay::relay;

/// Starts a service and a relay in front of it. The relay sends `client` as the client address.
/// Returns the service and the relay's URL.
fn start_behind_relay(
    config: &str,
    policy: &str,
    client: Option<&str>,
) -> (ConfiguredService, String) {
    let builder = Simulator::builder().proxy_protocol();
    let service = ConfiguredService::with_builder(builder, config, policy);
    let (scheme, upstream) = service.endpoint_url().split_once("://").unwrap();
    let upstream = upstream.parse().unwrap();
    let client_addr = client.map(|client| client.parse().unwrap());
    let connection_id = Some(ConnectionId([0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60]));
    let header = ProxyHeader { client_addr, connection_id }.encode(Some(upstream));
    let url = format!("{scheme}://{}", relay(upstream, header));
    (service, url)
}

const ATTESTED_TLS: &str = "[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\"]\n";

#[test]
fn client_address_reaches_policy_and_audit_trail() {
    let within = r#"{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","2001:db8::/32"]}}"#;
    let allow = policy(&[statement("Allow", "kms:GenerateRandom", within)]);
    for (client, source, allowed) in [
        (Some("192.0.2.7:50000"), Value::from("192.0.2.7"), true),
        (Some("[::ffff:192.0.2.7]:50000"), "192.0.2.7".into(), true),
        (Some("[2001:db8::7]:1"), "2001:db8::7".into(), true),
        (Some("198.51.100.7:50000"), "198.51.100.7".into(), false),
        (None, Value::Null, false),
    ] {
        let (service, url) = start_behind_relay(&sigv4(), &allow, client);
        let result = service.client_at(&url).generate_random(32);
        match allowed {
            true => assert_eq!(result.unwrap().len(), 32),
            false => {
                let reason = denied(result.map(|bytes| bytes.to_vec()));
                assert!(reason.starts_with("because no identity-based policy allows"), "{reason}");
            }
        }
        let records = service.records();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!(record["sourceIPAddress"], source, "{client:?}");
        let id = record["requestID"].as_str().unwrap();
        assert!(id.starts_with("1b2c3d4e-5f60-4"), "{id}");
    }
}

#[test]
fn proxy_header_precedes_tls() {
    let within =
        r#"{"IpAddress":{"aws:SourceIp":"192.0.2.7"},"Bool":{"aws:SecureTransport":"true"}}"#;
    let allow = policy(&[statement("Allow", "kms:GenerateRandom", within)]);
    let config = [ATTESTED_TLS, &sigv4()].concat();
    let (service, url) = start_behind_relay(&config, &allow, Some("192.0.2.7:50000"));
    assert_eq!(service.client_at(&url).generate_random(32).unwrap().len(), 32);
}

#[test]
fn closes_connection_without_proxy_header() {
    let allow = policy(&[statement("Allow", "kms:GenerateRandom", "{}")]);
    let service =
        ConfiguredService::with_builder(Simulator::builder().proxy_protocol(), &sigv4(), &allow);
    service.generate_plain().unwrap_err();
    assert_eq!(service.records(), [Value::Null; 0]);
}
