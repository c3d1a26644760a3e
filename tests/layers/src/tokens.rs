//! Finds paths in the token streams of macros and attributes. The Rust parser does not parse these
//! streams.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use crate::model::Path;

/// A path in a token stream.
pub(crate) struct TokenPath {
    /// The segments of the path.
    pub(crate) path: Path,
    /// The line of the first segment.
    pub(crate) line: usize,
    /// The tokens after the path.
    pub(crate) next: NextTokens,
}

/// The tokens after a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextTokens {
    /// `::`, and then no name: generic arguments, a macro variable or `*`.
    Colons,
    /// `!`, and then the tokens passed to a macro.
    Invocation,
    /// Other tokens, or none.
    Other,
}

impl TokenPath {
    /// Returns true if the path invokes `include!`.
    pub(crate) fn is_include(&self) -> bool {
        self.next == NextTokens::Invocation
            && self.path.last().is_some_and(|name| name == "include")
    }

    /// Returns true if the path leads out of the module. The segment `crate` alone is a visibility,
    /// as in `pub(crate)`.
    pub(crate) fn leaves_module(&self) -> bool {
        let starts_at_root = self.path.first().is_some_and(|name| name == "crate");
        let is_whole = self.path.len() == 1 && self.next != NextTokens::Colons;
        (starts_at_root && !is_whole) || self.path.iter().any(|name| name == "super")
    }
}

/// Returns every path in `tokens` and in the groups inside `tokens`. Skips fields, methods and macro
/// variables.
pub(crate) fn paths(tokens: TokenStream) -> Vec<TokenPath> {
    let mut found = Vec::new();
    scan(tokens, &[], &mut found);
    found
}

/// Adds the paths in `tokens`. If there is a `prefix`, the paths are branches of the nested `use`
/// tree after `prefix::`.
fn scan(tokens: TokenStream, prefix: &[String], found: &mut Vec<TokenPath>) {
    let tokens = tokens.into_iter().collect::<Vec<_>>();
    let mut rest = tokens.as_slice();
    let mut before = [None, None];
    let mut branch = prefix;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            TokenTree::Group(group) => scan(group.stream(), &[], found),
            TokenTree::Ident(ident) => {
                let (path, after) = path_from(ident, after);
                let path = joined(branch, path);
                rest = after;
                if starts_path(before, ident) {
                    rest = add(path, ident.span().start().line, after, found);
                }
            }
            TokenTree::Punct(star) if star.as_char() == '*' && !branch.is_empty() => {
                let line = star.span().start().line;
                found.push(TokenPath { path: branch.to_vec(), line, next: NextTokens::Other });
            }
            _ => {}
        }
        let [_, last] = before;
        before = [last, as_punctuation(first)];
        branch = if as_punctuation(first) == Some(',') { prefix } else { &[] };
    }
}

/// Adds `path`, or the paths of the nested `use` tree that starts with `path`. Returns the unread
/// tokens.
fn add<'a>(
    path: Path,
    line: usize,
    after: &'a [TokenTree],
    found: &mut Vec<TokenPath>,
) -> &'a [TokenTree] {
    let next = match after {
        [a, b, TokenTree::Group(tree), rest @ ..]
            if are_colons(a, b) && tree.delimiter() == Delimiter::Brace =>
        {
            scan(tree.stream(), &path, found);
            return rest;
        }
        [a, b, ..] if are_colons(a, b) => NextTokens::Colons,
        [mark, TokenTree::Group(_), ..] if as_punctuation(mark) == Some('!') => {
            NextTokens::Invocation
        }
        _ => NextTokens::Other,
    };
    found.push(TokenPath { path, line, next });
    after
}

/// Returns the whole path of a branch of a nested `use` tree. A path that starts at the crate root
/// is not a branch, so it stays unchanged.
fn joined(prefix: &[String], path: Path) -> Path {
    match path.first().map(String::as_str) {
        Some("crate") => path,
        Some("self") if !prefix.is_empty() => [prefix, path.get(1..).unwrap_or_default()].concat(),
        _ => [prefix, &path].concat(),
    }
}

fn as_punctuation(token: &TokenTree) -> Option<char> {
    match token {
        TokenTree::Punct(punct) => Some(punct.as_char()),
        _ => None,
    }
}

fn are_colons(a: &TokenTree, b: &TokenTree) -> bool {
    as_punctuation(a) == Some(':') && as_punctuation(b) == Some(':')
}

/// Returns whether `ident` starts a path. After `..`, an identifier starts a path. After `.`, `'` or
/// `::`, an identifier does not start a path. After `$`, only `crate` starts a path. An identifier after
/// `::` belongs to a path with generic arguments, such as `new` in `Vec::<u8>::new`.
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
    while let [a, b, TokenTree::Ident(next), after @ ..] = rest
        && are_colons(a, b)
    {
        path.push(next.to_string());
        rest = after;
    }
    (path, rest)
}
