use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Puts a value under a key, or takes it away.
fn edits(keys: u16) -> impl Strategy<Value = Vec<(u16, Option<u8>)>> {
    vec((0..keys, prop::option::weighted(0.7, 0_u8..3)), 0..300)
}

fn apply(map: &mut SharedMap<u16, u8>, plain: &mut BTreeMap<u16, u8>, edits: &[(u16, Option<u8>)]) {
    for (key, value) in edits {
        let (was, expected) = match value {
            Some(value) => (map.insert(*key, Arc::new(*value)), plain.insert(*key, *value)),
            None => (map.remove(key), plain.remove(key)),
        };
        assert_eq!(was.map(|value| *value), expected);
    }
}

fn content(map: &SharedMap<u16, u8>) -> BTreeMap<u16, u8> {
    map.iter().map(|(key, value)| (*key, **value)).collect()
}

proptest! {
    #[test]
    fn it_is_a_sorted_map(edits in edits(400), probe in 0_u16..400) {
        let (mut map, mut plain) = (SharedMap::default(), BTreeMap::new());
        apply(&mut map, &mut plain, &edits);
        prop_assert!(map.keys().eq(plain.keys()));
        prop_assert_eq!(content(&map), plain.clone());
        prop_assert_eq!((map.len(), map.is_empty()), (plain.len(), plain.is_empty()));
        prop_assert_eq!(map.get(&probe).map(|value| **value), plain.get(&probe).copied());
        prop_assert_eq!(map.contains_key(&probe), plain.contains_key(&probe));
        prop_assert!(map.iter_from(&probe).map(|(key, _)| key).eq(plain.range(probe..).map(|(key, _)| key)));
        prop_assert!(map.chunks.iter().all(|chunk| (1..=MAX_CHUNK).contains(&chunk.len())));
        let collected: SharedMap<u16, u8> = plain.iter().map(|(key, value)| (*key, Arc::new(*value))).collect();
        prop_assert_eq!(collected, map);
    }

    #[test]
    fn differences_lead_from_one_version_to_the_other(
        first in edits(400),
        then in edits(400),
        anew in any::<bool>(),
    ) {
        let (mut old, mut plain) = (SharedMap::default(), BTreeMap::new());
        apply(&mut old, &mut plain, &first);
        let before = plain.clone();
        let mut new = old.clone();
        if anew {
            (new, plain) = (SharedMap::default(), BTreeMap::new());
        }
        apply(&mut new, &mut plain, &then);
        prop_assert_eq!(content(&old), before, "a copy changed with its original");
        let mut walked = old.clone();
        for Difference { key, old, new } in old.differences(&new) {
            prop_assert_ne!(old, new);
            let was = match new {
                Some(value) => walked.insert(*key, Arc::clone(value)),
                None => walked.remove(key),
            };
            prop_assert_eq!(was.as_ref(), old);
        }
        prop_assert_eq!(content(&walked), plain);
        prop_assert_eq!(old == new, content(&old) == content(&new));
    }
}

#[test]
fn a_change_leaves_most_of_it_shared() {
    let mut map: SharedMap<u32, u32> = (0..10_000).map(|n| (n, Arc::new(n))).collect();
    let before = map.clone();
    map.insert(5_000, Arc::new(0));
    let own = map
        .chunks
        .iter()
        .filter(|chunk| !before.chunks.iter().any(|old| Arc::ptr_eq(old, chunk)));
    assert_eq!(own.count(), 1);
    assert_eq!(before.differences(&map).count(), 1);
}
