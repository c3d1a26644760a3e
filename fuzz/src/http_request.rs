//! The target for HTTP: arbitrary bytes of a client on one connection, sent at once and in pieces.

use std::sync::OnceLock;

use enclave::audit::Audit;
use enclave::config::Config;

use crate::connection::{Enclave, response_checks};
use crate::placeholder;

/// Checks that the responses do not depend on the pieces in which the bytes arrive. The input may
/// contain placeholders.
pub fn run(data: &[u8]) {
    let sent = placeholder::expand(data, &[placeholder::document()]);
    let at_once = response_checks::check_responses(&sent, &exchange(&[&sent]));
    let pieces = pieces(&sent);
    let in_pieces = response_checks::check_responses(&sent, &exchange(&pieces));
    assert_eq!(in_pieces, at_once, "{} pieces", pieces.len());
}

/// Returns the responses of an enclave that requires no credentials.
fn exchange(pieces: &[&[u8]]) -> Vec<u8> {
    static ENCLAVE: OnceLock<Enclave> = OnceLock::new();
    let enclave = ENCLAVE.get_or_init(|| Enclave::start(Config::default(), Audit::disabled()));
    enclave.exchange(pieces)
}

/// Splits the bytes into many small pieces and some large pieces. The same bytes always have the
/// same pieces.
fn pieces(sent: &[u8]) -> Vec<&[u8]> {
    let mut state = sent
        .iter()
        .fold(0x9e37_79b9_u32, |state, byte| (state ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let mut pieces = Vec::new();
    let mut rest = sent;
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [size, scale, ..] = state.to_be_bytes();
        let size = 1 + usize::from(size) % if scale < 128 { 7 } else { 256 };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
