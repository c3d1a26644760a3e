//! Seeds of the target for signed payloads: the rows B of the corpus of hostile input, and the encodings
//! of the rows A that apply to a payload.

use super::mutations;

const NULL: &[u8] = &[0xf6];

type Field = (&'static str, Vec<u8>);

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let good = fields();
    let mut inputs = vec![vec![], map(&good), indefinite(&good)];
    inputs.extend((0..good.len()).map(|index| map(&[&good[..index], &good[index + 1..]].concat())));
    inputs.extend(good.iter().map(|field| map(&[&good[..], std::slice::from_ref(field)].concat())));
    inputs.extend(good.iter().map(|(name, _)| with(name, NULL)));
    inputs.push([map(&good), vec![0]].concat());
    inputs.push([vec![0xd8, 0x63], map(&good)].concat());
    inputs.push(vec![0x80]);
    inputs.push([&[0xa1, 0x01][..], NULL].concat());
    inputs.extend(values().iter().map(|value| with("later", value)));
    inputs.extend([16, 17].map(|count| map(&[&good[..], &unknown(count)].concat())));
    inputs.push(map(&[&good[..], &[("later", vec![0]), ("later", vec![0])]].concat()));
    for (name, value) in hostile() {
        inputs.push(with(name, &value));
    }
    inputs.push(mutations::replaced(&map(&good), b"\x69module_id", b"\x78\x09module_id"));
    inputs.push(mutations::replaced(&map(&good), b"\x69module_id", b"\x7f\x69module_id\xff"));
    inputs
}

fn fields() -> Vec<Field> {
    let timestamp = crate::fixture::NOW.as_millis().to_be_bytes();
    vec![
        ("module_id", text(b"m")),
        ("digest", text(b"SHA384")),
        ("timestamp", [&[0x1b][..], &timestamp].concat()),
        ("pcrs", b"\xa4\x00\x42$P\x01\x42$P\x02\x42$P\x18\x1f\x42$P".to_vec()),
        ("certificate", b"\x42$4".to_vec()),
        ("cabundle", b"\x84\x42$0\x42$1\x42$2\x42$3".to_vec()),
        ("public_key", b"\x42$K".to_vec()),
        ("user_data", NULL.to_vec()),
        ("nonce", NULL.to_vec()),
    ]
}

fn map(fields: &[Field]) -> Vec<u8> {
    [head(5, fields.len()), entries(fields)].concat()
}

fn indefinite(fields: &[Field]) -> Vec<u8> {
    [vec![0xbf], entries(fields), vec![0xff]].concat()
}

fn entries(fields: &[Field]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| [text(name.as_bytes()), value.clone()].concat())
        .collect()
}

/// Returns a valid payload with one field changed or added.
fn with(name: &'static str, value: &[u8]) -> Vec<u8> {
    let others = fields().into_iter().filter(|(field, _)| *field != name);
    map(&others.chain([(name, value.to_vec())]).collect::<Vec<_>>())
}

fn unknown(count: u8) -> Vec<Field> {
    const NAMES: [&str; 17] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"];
    NAMES.iter().take(count.into()).map(|name| (*name, vec![0])).collect()
}

fn head(major: u8, length: usize) -> Vec<u8> {
    let major = major << 5;
    let [.., high, low] = length.to_be_bytes();
    match length {
        0..=23 => vec![major | low],
        24..=0xff => vec![major | 24, low],
        _ => vec![major | 25, high, low],
    }
}

fn text(content: &[u8]) -> Vec<u8> {
    [head(3, content.len()), content.to_vec()].concat()
}

fn bytes(length: usize) -> Vec<u8> {
    [head(2, length), vec![0x62; length]].concat()
}

/// Returns one value of each kind, and malformed values.
fn values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = VALUES.map(<[u8]>::to_vec).into();
    for nesting in [15, 16, 17, 128, 300] {
        values.push([vec![0x81; nesting], vec![0]].concat());
        values.push([vec![0xc1; nesting], vec![0]].concat());
        values.push([vec![0x9f; nesting], vec![0xff; nesting]].concat());
    }
    values
}

fn hostile() -> Vec<Field> {
    let mut fields = Vec::new();
    for (name, values) in HOSTILE {
        fields.extend(values.iter().map(|value| (name, value.to_vec())));
    }
    for length in [0, 32, 47, 49] {
        fields.push(("pcrs", [b"\xa1\0", &bytes(length)[..]].concat()));
    }
    for count in [32_u8, 33] {
        let entry = |index: u8| [head(0, index.into()), b"\x42$P".to_vec()].concat();
        let entries: Vec<u8> = (0..count).flat_map(entry).collect();
        fields.push(("pcrs", [head(5, count.into()), entries].concat()));
    }
    let zero = |index: u8| [vec![index, 0x58, 48], vec![0; 48]].concat();
    fields.push(("pcrs", [vec![0xa3], (0..3).flat_map(zero).collect()].concat()));
    fields.push(("cabundle", [head(4, 100), b"\x42$1".repeat(100)].concat()));
    fields.push(("module_id", text(&[b'm'; 1025])));
    for name in ["public_key", "user_data", "nonce", "certificate"] {
        fields.extend([0, 1, 1024, 1025].map(|length| (name, bytes(length))));
    }
    fields
}

const VALUES: [&[u8]; 45] = [
    b"\x18\x18",
    b"\x18\x17",
    b"\x1a\0\0\xff\xff",
    b"\x1c",
    b"\x1f",
    b"\x20",
    b"\x3f",
    b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x40",
    b"\x5f\x41\0\xff",
    b"\x5f\xff",
    b"\x60",
    b"\x7f\x61a\xff",
    b"\x62\xc3\x28",
    b"\x80",
    b"\x82\0",
    b"\x9f\0\xff",
    b"\xa0",
    b"\xa1\0\0",
    b"\xbf\0\0\xff",
    b"\xbf\0\xff",
    b"\xc0\x60",
    b"\xc1\0",
    b"\xc2\x49\x01\0\0\0\0\0\0\0\0",
    b"\xd8\x63\0",
    b"\xd9\xd9\xf7\0",
    b"\xdf\0",
    b"\xe0",
    b"\xf3",
    b"\xf4",
    b"\xf5",
    b"\xf7",
    b"\xf8\x18",
    b"\xf8\x1f",
    b"\xf8\x20",
    b"\xf8\xff",
    b"\xf9\x7e\0",
    b"\xf9\0\0",
    b"\xfa\x7f\x80\0\0",
    b"\xfb\x3f\xf0\0\0\0\0\0\0",
    b"\xfc",
    b"\xff",
    b"\x5a\xff\xff\xff\xff",
    b"\x9a\xff\xff\xff\xff",
    b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
];

const HOSTILE: [(&str, &[&[u8]]); 6] = [
    ("module_id", &[b"\x60", b"\x61\0", b"\x62\xc3\x28", b"\x41m"]),
    ("digest", &[b"\x66SHA256", b"\x66sha384", b"\x67SHA-384"]),
    (
        "timestamp",
        &[
            b"\0",
            b"\x20",
            b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x1a\x6b\x49\xd2\0",
            b"\xfb\x42\x7a\0\0\0\0\0\0",
            b"\xc2\x46\x01\x90\0\0\0\0",
            b"\x1b\0\0\x01\xa3\x18\x5c\x50\0",
        ],
    ),
    (
        "pcrs",
        &[
            b"\xa0",
            b"\xa1\0\x40",
            b"\xa2\0\x42$P\0\x42$P",
            b"\xa1\x18\x20\x42$P",
            b"\xa1\x20\x42$P",
            b"\xa1\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x42$P",
            b"\xbf\0\x42$P\xff",
            b"\xa1\x61\x30\x42$P",
            b"\x81\x42$P",
        ],
    ),
    (
        "cabundle",
        &[
            b"\x80",
            b"\x81\x42$0",
            b"\x82\x42$0\x42$3",
            b"\x84\x42$3\x42$2\x42$1\x42$0",
            b"\x9f\x42$0\x42$1\x42$2\x42$3\xff",
            b"\x85\x42$0\x42$1\x42$1\x42$2\x42$3",
            b"\x86\x42$0\x42$1\x42$1\x42$2\x42$3\x42$3",
            b"\x84\x42$0\x42$1\x42$2\x40",
            b"\x42$0",
        ],
    ),
    ("nitrotpm_pcrs", &[NULL, b"\xa1\0\x42$P"]),
];
