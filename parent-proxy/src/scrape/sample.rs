//! Validates and labels lines of another process's metrics. A single invalid line would make the scraper
//! reject the whole text, including the relay's own metrics.

/// Metric types of OpenMetrics.
const TYPES: [&str; 8] =
    ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"];

/// Suffixes of a sample's name after the name of its family.
const SUFFIXES: [&str; 9] =
    ["", "_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info"];

/// Label with the name of the upstream.
const UPSTREAM_LABEL: &str = "upstream";

/// Returns the family name of the metadata `HELP name ...`, `TYPE name ...` or `UNIT name ...`, if it is
/// valid.
pub(super) fn described_family(metadata: &str) -> Option<&str> {
    let (kind, rest) = metadata.split_once(' ')?;
    let (name, text) = rest.split_once(' ')?;
    let is_valid = match kind {
        "HELP" => true,
        "TYPE" => TYPES.contains(&text),
        "UNIT" => name.strip_suffix(text).is_some_and(|before| before.ends_with('_')),
        _ => false,
    };
    (is_valid && is_name(name)).then_some(name)
}

/// Returns the sample `name value` or `name{labels} value` of `family` with the label `upstream` and a line
/// feed, if it is valid. `upstream` is already escaped.
pub(super) fn with_upstream_label(sample: &str, family: &str, upstream: &str) -> Option<String> {
    let (name, rest) = sample.split_at_checked(sample.find(['{', ' '])?)?;
    if !SUFFIXES.contains(&name.strip_prefix(family)?) {
        return None;
    }
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => ("", rest),
    };
    // A line with a timestamp or an exemplar is rejected, because enclaves need neither.
    if !is_value(value.strip_prefix(' ')?) {
        return None;
    }
    let comma = if labels.is_empty() { "" } else { "," };
    Some(format!("{name}{{{UPSTREAM_LABEL}=\"{upstream}\"{comma}{labels}}}{value}\n"))
}

/// Splits `text` at the `}` after the labels. Returns `None` if a label is invalid, is repeated, or is named
/// `upstream`.
fn labels(text: &str) -> Option<(&str, &str)> {
    let mut names = vec![UPSTREAM_LABEL];
    let mut rest = text;
    while !rest.starts_with('}') {
        let (name, value) = rest.split_once("=\"")?;
        let is_label = is_name(name) && !name.contains(':') && !names.contains(&name);
        rest = is_label.then_some(value).and_then(after_value)?;
        names.push(name);
        match rest.strip_prefix(',') {
            // Another label follows.
            Some(next) if !next.starts_with('}') => rest = next,
            None if rest.starts_with('}') => {}
            Some(_) | None => return None,
        }
    }
    let labels = text.get(..text.len() - rest.len())?;
    Some((labels, rest.get(1..)?))
}

/// Returns the text after a label value and its closing quotation mark.
fn after_value(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some(characters.as_str()),
            '\\' if !matches!(characters.next()?, '\\' | '"' | 'n') => return None,
            _ => {}
        }
    }
}

/// Returns whether `text` is a valid sample value.
fn is_value(text: &str) -> bool {
    // A number that is too large parses as infinite, but scrapers reject such a number.
    let is_infinite_by_name = text.contains(['n', 'N']);
    text.parse::<f64>().is_ok_and(|value| value.is_finite() || is_infinite_by_name)
}

/// Returns whether `text` is a valid metric name.
fn is_name(text: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    text.bytes().all(is_name_byte) && text.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> Option<String> {
        with_upstream_label(text, "a", "x")
    }

    #[test]
    fn adds_the_upstream_label_to_a_sample() {
        for (text, expected) in [
            ("a 1", "a{upstream=\"x\"} 1\n"),
            ("a{} -1.5e3", "a{upstream=\"x\"} -1.5e3\n"),
            (
                "a_total{b=\"}\\\"\\\\\\n,\",c=\"\"} 0",
                "a_total{upstream=\"x\",b=\"}\\\"\\\\\\n,\",c=\"\"} 0\n",
            ),
            ("a_bucket{le=\"+Inf\"} +Inf", "a_bucket{upstream=\"x\",le=\"+Inf\"} +Inf\n"),
            ("a NaN", "a{upstream=\"x\"} NaN\n"),
        ] {
            assert_eq!(sample(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn rejects_samples_that_violate_openmetrics() {
        for text in [
            // An enclave may not set `upstream`, nor repeat a label.
            "a{upstream=\"y\"} 1",
            "a{b=\"1\",b=\"2\"} 1",
            "a{b} 1",
            "a{b=1} 1",
            "a{b=\"1} 1",
            "a{b=\"\\q\"} 1",
            "a{b=\"1\",} 1",
            "a{b=\"1\" c=\"2\"} 1",
            "a{1b=\"1\"} 1",
            "a{b:c=\"1\"} 1",
            "a{=\"1\"} 1",
            "a{b=\"1\"}1",
            "a{",
            "a",
            "a ",
            "a one",
            "a 1e999",
            "a 0x1",
            "a 1 2",
            "a 1 # {} 1",
            // Names of other families.
            "b 1",
            "ab 1",
            "a_proxy_ready 1",
        ] {
            assert_eq!(sample(text), None, "{text}");
        }
    }

    #[test]
    fn accepts_only_known_metadata_lines() {
        for metadata in ["HELP a_b Some.", "TYPE a_b counter", "UNIT a_b b"] {
            assert_eq!(described_family(metadata), Some("a_b"), "{metadata}");
        }
        for metadata in [
            "NOTE a b",
            "HELP a",
            "TYPE a",
            "TYPE a evil",
            "TYPE a counter ",
            "TYPE 1a gauge",
            "TYPE a\"b gauge",
            "UNIT a_b a",
            "UNIT a_b ",
            "UNIT b b",
        ] {
            assert_eq!(described_family(metadata), None, "{metadata}");
        }
    }
}
