//! The target for endpoints: arbitrary text.

use transport::{Endpoint, InvalidEndpoint, listening_message};

/// Checks that the text of a parsed endpoint parses to the same endpoint. Checks that the text of an
/// error has a bounded length.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let parsed: Result<Endpoint, InvalidEndpoint> = text.parse();
    match parsed {
        Ok(endpoint) => {
            let printed = endpoint.to_string();
            assert_eq!(printed.parse().as_ref(), Ok(&endpoint), "{printed}");
            assert!(printed.ends_with(text), "{printed} does not end with {text}");
            assert!(listening_message("p", &endpoint).starts_with("p listening on "));
        }
        Err(error) => assert!(error.to_string().len() <= 200 + text.len()),
    }
}
