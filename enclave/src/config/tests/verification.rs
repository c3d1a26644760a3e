//! The table `[verification]`.

use attestation::CacheSizes;

use super::*;

fn caches(lines: &str) -> Result<CacheSizes, String> {
    let settings = settings(&format!("[verification]\n{lines}\n"), Profile::Development);
    settings.map(|settings| settings.cache_sizes).map_err(|error| error.to_string())
}

#[test]
fn reads_cache_sizes() {
    assert_eq!(caches("").unwrap(), CacheSizes::default());
    let sizes = caches("cached_chains = 0\ncached_leaves = 1\ncached_documents = 1000000").unwrap();
    assert_eq!(sizes, CacheSizes { chains: 0, leaves: 1, documents: 1_000_000 });
    let sizes = caches("cached_leaves = 7").unwrap();
    assert_eq!(sizes, CacheSizes { leaves: 7, ..CacheSizes::default() });
}

#[test]
fn rejects_cache_sizes_above_the_limit() {
    for key in ["cached_chains", "cached_leaves", "cached_documents"] {
        for number in [-1, 1_000_001] {
            let error = caches(&format!("{key} = {number}")).unwrap_err();
            let expected = "expected a whole number from 0 to 1000000";
            assert!(error.contains("line 2 ") && error.ends_with(expected), "{key}: {error}");
        }
    }
}
