//! Which lines of another's metrics are shown. A single one that breaks a rule of OpenMetrics would have
//! whoever scrapes throw away all of them, the relay's own among them.

/// What a family may be.
const TYPES: [&str; 8] =
    ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"];

/// What a sample's name may have behind that of its family.
const SUFFIXES: [&str; 9] =
    ["", "_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info"];

/// The label that tells whose sample it is.
const UPSTREAM_LABEL: &str = "upstream";

/// Which family `HELP name ...`, `TYPE name ...` or `UNIT name ...` is about.
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

/// `name value` or `name{labels} value` of `family`, with the label that it is `upstream`'s, and a line
/// feed. `upstream` is escaped already.
pub(super) fn with_upstream_label(sample: &str, family: &str, upstream: &str) -> Option<String> {
    let (name, rest) = sample.split_at_checked(sample.find(['{', ' '])?)?;
    if !SUFFIXES.contains(&name.strip_prefix(family)?) {
        return None;
    }
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => ("", rest),
    };
    // A time or an exemplar behind it is of no use here.
    if !is_value(value.strip_prefix(' ')?) {
        return None;
    }
    let comma = if labels.is_empty() { "" } else { "," };
    Some(format!("{name}{{{UPSTREAM_LABEL}=\"{upstream}\"{comma}{labels}}}{value}\n"))
}

/// The labels up to `}`, and what is behind it. None is there twice, and none says whose the sample is.
fn labels(text: &str) -> Option<(&str, &str)> {
    let mut names = vec![UPSTREAM_LABEL];
    let mut rest = text;
    while !rest.starts_with('}') {
        let (name, value) = rest.split_once("=\"")?;
        let is_label = is_name(name) && !name.contains(':') && !names.contains(&name);
        rest = is_label.then_some(value).and_then(after_value)?;
        names.push(name);
        match rest.strip_prefix(',') {
            // Another one follows it.
            Some(next) if !next.starts_with('}') => rest = next,
            None if rest.starts_with('}') => {}
            Some(_) | None => return None,
        }
    }
    let labels = text.get(..text.len() - rest.len())?;
    Some((labels, rest.get(1..)?))
}

/// What is behind a value and its quotation mark.
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

fn is_value(text: &str) -> bool {
    // A number too large to be one is infinite, and refused by whoever reads it.
    let is_infinite_by_name = text.contains(['n', 'N']);
    text.parse::<f64>().is_ok_and(|value| value.is_finite() || is_infinite_by_name)
}

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
            // Whose it is, is not its own to say; and nothing is to be said twice.
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
            // Others' names.
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
