use super::*;

const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);

#[test]
fn reissues_each_level_only_when_its_margin_is_reached() {
    let root = Root::generate().unwrap();
    let mut chain = Chain::issue(&root, NOW).unwrap();
    let certificates =
        |chain: &Chain| chain.levels.iter().map(|issued| issued.der.clone()).collect::<Vec<_>>();
    let first = certificates(&chain);
    let renewed = |chain: &mut Chain, after: u64| {
        chain.renew(&root, NOW.plus_secs(after)).unwrap();
        certificates(chain).iter().zip(&first).filter(|(new, old)| new != old).count()
    };
    assert_eq!(renewed(&mut chain, 3 * HOUR - LEAF_MARGIN), 0);
    assert_eq!(renewed(&mut chain, 3 * HOUR - LEAF_MARGIN + 1), 1);
    assert_eq!(renewed(&mut chain, 21 * HOUR), 2);
    assert_eq!(renewed(&mut chain, 5 * DAY), 3);
    assert_eq!(renewed(&mut chain, 14 * DAY), 4);
}

#[test]
fn no_certificate_outlives_its_issuer_over_thirty_days() {
    let root = Root::generate().unwrap();
    let mut chain = Chain::issue(&root, NOW).unwrap();
    for hour in 0..30 * 24 {
        let at = NOW.plus_secs(hour * HOUR);
        chain.renew(&root, at).unwrap();
        let ends: Vec<_> = chain.levels.iter().map(|issued| issued.not_after).collect();
        assert!(ends.is_sorted_by(|issuer, issued| issuer >= issued), "{ends:?}");
        assert!(*ends.last().unwrap() >= at.plus_secs(LEAF_MARGIN));
    }
}
