//! Tests of the decoders with generated payloads. Some payloads have AWS's encoding, some have
//! another valid encoding, and some are invalid.

use std::cell::Cell;

use attestation::UnverifiedDocument;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

use crate::cbor_items::{
    ARRAY, BYTES, Item, MAP, NULL, TEXT, UNSIGNED, container, head, item, string, text,
};
use crate::decoders::assert_agreement;

/// Wraps a payload in AWS's envelope, with an invalid signature.
fn document(payload: &[u8]) -> Vec<u8> {
    let envelope = [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0];
    [&envelope[..], &string(BYTES, payload), &string(BYTES, &[7; 96])].concat()
}

/// Returns the number of other decoders that agree with our decoder, or `None` if our decoder
/// rejects the payload.
fn agreeing_decoders(payload: &[u8]) -> Option<usize> {
    let parsed = UnverifiedDocument::parse(document(payload)).ok()?;
    Some(assert_agreement(payload, parsed.dangerous_unverified_claims()))
}

fn is_accepted(payload: &[u8]) -> bool {
    agreeing_decoders(payload).is_some()
}

/// Encoded name and value.
type Field = (Item, Item);

/// Generates mostly values of `usual`, and rarely values of `odd`.
fn mostly<T: std::fmt::Debug + 'static>(
    usual: impl Strategy<Value = T> + 'static,
    odd: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    prop_oneof![90 => usual, 1 => odd].boxed()
}

fn byte_string(lengths: impl Strategy<Value = usize>) -> impl Strategy<Value = Item> {
    (lengths, any::<u8>()).prop_map(|(length, byte)| string(BYTES, &vec![byte; length]))
}

fn registers() -> impl Strategy<Value = Item> {
    let lengths = mostly(Just(48), select(vec![0_usize, 32, 47, 49]));
    let count = mostly(prop_oneof![Just(16_u64), Just(24), 1..=32_u64], Just(33));
    let entries = count.prop_flat_map(move |count| {
        vec(byte_string(lengths.clone()), usize::try_from(count).unwrap())
    });
    let entries = entries.prop_map(|values| {
        let entry = |(index, value)| [head(UNSIGNED, index), value].concat();
        (0..).zip(values).map(entry).collect::<Vec<Item>>()
    });
    (entries.prop_shuffle(), any::<bool>(), mostly(Just(false), Just(true))).prop_map(
        |(mut entries, is_indefinite, repeats)| {
            if repeats {
                entries.push(entries[0].clone());
            }
            container(MAP, &entries, is_indefinite)
        },
    )
}

fn cabundle() -> impl Strategy<Value = Item> {
    let count = mostly(2..=5_usize, select(vec![0_usize, 1, 6]));
    let certificate = || byte_string(mostly(1..=400_usize, select(vec![0_usize, 1024, 1025])));
    let certificates = count.prop_flat_map(move |count| vec(certificate(), count));
    (certificates, any::<bool>())
        .prop_map(|(certificates, is_indefinite)| container(ARRAY, &certificates, is_indefinite))
}

/// Generates an optional field: absent, null, or a string of at most 1,024 bytes.
fn optional(name: &'static str, least: usize) -> impl Strategy<Value = Vec<Field>> {
    let bytes = byte_string(mostly(least..=1024_usize, select(vec![0_usize, 1025])));
    let value = prop_oneof![1 => Just(vec![NULL]), 3 => bytes, 1 => Just(vec![])];
    value.prop_map(move |value| if value.is_empty() { vec![] } else { vec![(text(name), value)] })
}

fn mandatory(
    name: &'static str,
    value: impl Strategy<Value = Item> + 'static,
) -> impl Strategy<Value = Vec<Field>> {
    mostly(value, item()).prop_map(move |value| vec![(text(name), value)])
}

fn pcrs() -> impl Strategy<Value = Vec<Field>> {
    let family = select(vec!["pcrs", "nitrotpm_pcrs"]);
    let other = mostly(select(vec![vec![], vec![NULL]]), registers().boxed());
    (family, registers(), other).prop_map(|(family, registers, other)| {
        let other_family = if family == "pcrs" { "nitrotpm_pcrs" } else { "pcrs" };
        let mut fields = vec![(text(family), registers)];
        if !other.is_empty() {
            fields.push((text(other_family), other));
        }
        fields
    })
}

fn unknown() -> impl Strategy<Value = Vec<Field>> {
    let count = mostly(0..=4_usize, 15..=18_usize);
    count.prop_flat_map(|count| {
        let name = mostly("[a-z]{2,6}".prop_map(|name| text(&name)), item());
        vec((name, item()), count)
    })
}

fn fields() -> impl Strategy<Value = Vec<Field>> {
    let module_id = mostly("[a-z0-9-]{1,80}", Just(String::new())).prop_map(|id| text(&id));
    let digest = mostly(Just("SHA384"), select(vec!["SHA256", "SHA512", "sha384"])).prop_map(text);
    let timestamp = mostly(1..=u64::MAX, Just(0)).prop_map(|millis| head(UNSIGNED, millis));
    let certificate = byte_string(mostly(1..=1024_usize, select(vec![0_usize, 1025])));
    (
        mandatory("module_id", module_id),
        mandatory("digest", digest),
        mandatory("timestamp", timestamp),
        mandatory("certificate", certificate),
        mandatory("cabundle", cabundle()),
        pcrs(),
        optional("public_key", 1),
        optional("user_data", 0),
        optional("nonce", 0),
        unknown(),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, j)| [a, b, c, d, e, f, g, h, i, j].concat())
        .prop_shuffle()
}

/// A fault of the map as a whole.
#[derive(Clone, Debug)]
enum Mutation {
    None,
    Missing(Index),
    Repeated(Index),
    Trailing(Item),
    Cut(Index),
    Miscounted,
    InTag,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let mistakes = prop_oneof![
        any::<Index>().prop_map(Mutation::Missing),
        any::<Index>().prop_map(Mutation::Repeated),
        item().prop_map(Mutation::Trailing),
        any::<Index>().prop_map(Mutation::Cut),
        Just(Mutation::Miscounted),
        Just(Mutation::InTag),
    ];
    prop_oneof![5 => Just(Mutation::None), 1 => mistakes]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    (fields(), any::<bool>(), mutation()).prop_map(|(mut fields, is_indefinite, mutation)| {
        match &mutation {
            Mutation::Missing(index) => drop(fields.remove(index.index(fields.len()))),
            Mutation::Repeated(index) => fields.push(fields[index.index(fields.len())].clone()),
            _ => {}
        }
        let entries: Vec<Item> = fields.into_iter().map(|(k, v)| [k, v].concat()).collect();
        let mut payload = container(MAP, &entries, is_indefinite);
        match mutation {
            Mutation::Trailing(item) => payload.extend(item),
            Mutation::Cut(length) => payload.truncate(length.index(payload.len())),
            Mutation::Miscounted => payload[0] ^= 1,
            Mutation::InTag => payload.splice(0..0, [0xd8, 99]).for_each(drop),
            _ => {}
        }
        payload
    })
}

#[test]
fn decoders_agree_on_generated_payloads() {
    const CASES: u32 = 3000;
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() };
    // The first count is of payloads that our decoder rejects. The other counts are of accepted
    // payloads, by the number of other decoders that decode them.
    let rejected = Cell::new(0);
    let read_by = [const { Cell::new(0) }; 3];
    let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    TestRunner::new(config)
        .run(&payload(), |payload| {
            count(
                agreeing_decoders(&payload)
                    .map_or(&rejected, |agreeing_decoders| &read_by[agreeing_decoders]),
            );
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // Rejected and accepted payloads must both be frequent. Otherwise the comparison would prove
    // little.
    println!("rejected {rejected:?}; accepted and decoded by none, one, both: {read_by:?}");
    assert!((CASES / 5..=CASES * 4 / 5).contains(&rejected.get()), "{rejected:?}");
    assert!(read_by[1].get() > CASES / 10 && read_by[2].get() > CASES / 10, "{read_by:?}");
}

/// Returns the smallest accepted payload, with one unknown field.
fn with_unknown(value: &[u8]) -> Vec<u8> {
    let field = |name: &str, value: Item| [text(name), value].concat();
    let one = || string(BYTES, &[7]);
    let register = [head(UNSIGNED, 0), string(BYTES, &[7; 48])].concat();
    let fields = [
        field("module_id", text("i-0")),
        field("digest", text("SHA384")),
        field("timestamp", head(UNSIGNED, 1)),
        field("pcrs", container(MAP, &[register], false)),
        field("certificate", one()),
        field("cabundle", container(ARRAY, &[one(), one()], false)),
        field("x", value.to_vec()),
    ];
    container(MAP, &fields, false)
}

/// Numbers of either sign, h'', "", [], {}, false, true, null and undefined.
const ONE_BYTE: usize = 24 + 24 + 4 + 4;

/// Numbers of either sign; a string of one byte or one ASCII character; an array of one item; an
/// empty array or map of indefinite length; a tag with an item.
const TWO_BYTES: usize = 2 * (256 - 24) + 256 + 128 + ONE_BYTE + 2 + 24 * ONE_BYTE;

#[test]
fn decoders_agree_on_unknown_values_of_one_and_two_bytes() {
    let one = (0..=u8::MAX).filter(|byte| is_accepted(&with_unknown(&[*byte]))).count();
    assert_eq!(one, ONE_BYTE);
    let two = (0..=u16::MAX).filter(|value| is_accepted(&with_unknown(&value.to_be_bytes())));
    assert_eq!(two.count(), TWO_BYTES);
}

#[test]
fn rejects_unknown_value_of_invalid_utf_8() {
    assert!(is_accepted(&with_unknown(&string(TEXT, b"text"))));
    assert!(!is_accepted(&with_unknown(&string(TEXT, &[0xff]))));
}
