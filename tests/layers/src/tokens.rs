//! Finds paths in token streams that are not parsed: those of macros and attributes.

use proc_macro2::{Ident, TokenStream, TokenTree};

use crate::model::Path;

/// A path in a token stream.
pub(crate) struct TokenPath {
    /// The segments of the path.
    pub(crate) path: Path,
    /// The line of the first segment.
    pub(crate) line: usize,
}

/// Returns every path in `tokens`, groups included. Fields, methods and macro variables are skipped.
pub(crate) fn paths(tokens: TokenStream) -> Vec<TokenPath> {
    let tokens = tokens.into_iter().collect::<Vec<_>>();
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    let mut before = [None, None];
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            TokenTree::Group(group) => found.extend(paths(group.stream())),
            TokenTree::Ident(ident) => {
                let (path, after) = path_from(ident, after);
                rest = after;
                if starts_path(before, ident) {
                    found.push(TokenPath { path, line: ident.span().start().line });
                }
            }
            _ => {}
        }
        let [_, last] = before;
        before = [last, as_punctuation(first)];
    }
    found
}

fn as_punctuation(token: &TokenTree) -> Option<char> {
    match token {
        TokenTree::Punct(punct) => Some(punct.as_char()),
        _ => None,
    }
}

/// Returns false for a field or method, a lifetime, a macro variable other than `$crate`, and the
/// rest of a path with generic arguments, such as `new` in `Vec::<u8>::new`.
fn starts_path(before: [Option<char>; 2], ident: &Ident) -> bool {
    match before {
        [Some('.'), Some('.')] => true,
        [_, Some('.' | '\'')] | [Some(':'), Some(':')] => false,
        [_, Some('$')] => ident == "crate",
        _ => true,
    }
}

/// Returns the path that starts with `first`, and the tokens after it.
fn path_from<'a>(first: &Ident, mut rest: &'a [TokenTree]) -> (Path, &'a [TokenTree]) {
    let mut path = vec![first.to_string()];
    while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), after @ ..] = rest
    {
        if a.as_char() != ':' || b.as_char() != ':' {
            break;
        }
        path.push(next.to_string());
        rest = after;
    }
    (path, rest)
}
