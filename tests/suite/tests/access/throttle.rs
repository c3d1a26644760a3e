//! Tests of the configuration table `[throttle]` in a whole service.

use attested_recipient::{Client, ClientError, Credentials};

use super::credentials::{ALLOW, SECRET, sigv4};
use super::service::{ConfiguredService, credentials, rejection};

const THROTTLED: (&str, &str) = (
    "ThrottlingException",
    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
);

fn generate_one_byte(client: &Client) -> Result<Vec<u8>, ClientError> {
    client.generate_random(1).map(|bytes| bytes.to_vec())
}

/// Returns the number of requests that succeed before the service throttles a request. The rate is
/// so low that almost no tokens are added during the test.
fn requests_until_throttled(client: &Client) -> usize {
    for answered in 0..100 {
        let result = generate_one_byte(client);
        if result.is_err() {
            let (error_type, message) = rejection(result);
            assert_eq!((error_type.as_str(), message.as_str()), THROTTLED);
            return answered;
        }
    }
    panic!("not throttled within 100 requests");
}

fn two_principals(throttle: &str) -> (ConfiguredService, Client, Client) {
    let other = sigv4()
        .split_once("[[credential]]")
        .map(|(_, credential)| ["[[credential]]", credential].concat())
        .unwrap()
        .replace("AKIDEXAMPLE", "AKIDOTHER")
        .replace("role/wallet", "role/other");
    let config = format!("{}{other}[throttle]\n{throttle}\n", sigv4());
    let service = ConfiguredService::start(&config, ALLOW);
    let one = suite::client(service.endpoint_url()).with_credentials(credentials());
    let other = Credentials::new("AKIDOTHER", SECRET, "eu-west-1");
    let other = suite::client(service.endpoint_url()).with_credentials(other);
    (service, one, other)
}

#[test]
fn rate_is_per_principal_and_ignores_forged_requests() {
    let (service, one, other) = two_principals("requests_per_second_per_principal = 1");
    let forger = Credentials::new("AKIDEXAMPLE", "wrong secret", "eu-west-1");
    let forger = suite::client(service.endpoint_url()).with_credentials(forger);
    for _ in 0..10 {
        let (error_type, _) = rejection(generate_one_byte(&forger));
        assert_eq!(error_type, "InvalidSignatureException");
    }
    // The requests may take more than a second, in which one token is added.
    assert!((2..=3).contains(&requests_until_throttled(&one)));
    assert!((2..=3).contains(&requests_until_throttled(&other)));
}

#[test]
fn total_rate_is_shared_by_all_principals() {
    let (_service, one, other) = two_principals("requests_per_second_total = 1");
    assert!(one.generate_random(1).is_ok());
    assert!(other.generate_random(1).is_ok());
    assert!(requests_until_throttled(&one) <= 1);
}
