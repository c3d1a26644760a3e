//! Patterns with `*` and `?`. `*` matches any number of characters, or none. `?` matches exactly one character.
//!
//! After a mismatch, the algorithm backtracks only to the last `*`, because the last `*` can match all text that an
//! earlier `*` could match. The time is therefore at most proportional to the product of the two lengths. The crate
//! `wildmatch` uses the same algorithm, but would add a dependency and an allocation per pattern.

use std::str::Chars;

/// Returns whether `pattern` matches all of `text`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    matches_by(pattern, text, |wanted, found| wanted == found)
}

/// Returns whether `pattern` matches all of `text`, ignoring the case of ASCII letters.
pub(super) fn matches_ignore_case(pattern: &str, text: &str) -> bool {
    matches_by(pattern, text, |wanted, found| wanted.eq_ignore_ascii_case(&found))
}

fn matches_by(pattern: &str, text: &str, equal: impl Fn(char, char) -> bool) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // The pattern after the last `*`, and the text that the last `*` has not consumed.
    let mut star: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let (mut next_pattern, mut next_text) = (pattern.clone(), text.clone());
        match (next_pattern.next(), next_text.next()) {
            (Some('*'), _) => {
                star = Some((next_pattern.clone(), text.clone()));
                pattern = next_pattern;
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || equal(wanted, found) => {
                (pattern, text) = (next_pattern, next_text);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((after, unconsumed)) = &mut star else { return false };
        if unconsumed.next().is_none() {
            return false;
        }
        (pattern, text) = (after.clone(), unconsumed.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Matches by the definition, in exponential time.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            Some((wanted, rest)) => text.split_first().is_some_and(|(found, text)| {
                (*wanted == '?' || wanted == found) && naive(rest, text)
            }),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?é]{0,8}", text in "[abé*]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
        }
    }

    /// An exponential algorithm would never finish.
    #[test]
    fn matching_takes_no_exponential_time() {
        let pattern = format!("{}b", "*a".repeat(500));
        assert!(!matches(&pattern, &"a".repeat(10_000)));
    }

    #[test]
    fn ignores_case_only_in_matches_ignore_case() {
        assert!(matches_ignore_case("kMs:Gen*m", "kms:GenerateRandom"));
        assert!(!matches("kMs:Gen*m", "kms:GenerateRandom"));
    }
}
