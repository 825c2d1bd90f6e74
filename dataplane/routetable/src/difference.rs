//! What differs between two maps of shared values.
//!
//! A new version shares with the last one what did not change, so that most entries are told equal
//! by their address alone.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::from_fn;
use std::sync::Arc;

/// An entry that came, went or changed.
#[derive(Debug)]
pub struct Difference<'a, K, V> {
    /// Its key.
    pub key: &'a K,
    /// What it was; `None` if it came.
    pub old: Option<&'a Arc<V>>,
    /// What it is; `None` if it went.
    pub new: Option<&'a Arc<V>>,
}

/// The entries in which two maps differ, in the order of their keys. Walks both maps once.
pub fn differing<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, Arc<V>>,
    new: &'a BTreeMap<K, Arc<V>>,
) -> impl Iterator<Item = Difference<'a, K, V>> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let pairs = from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let was = old.next_if(|_| order.is_le());
        let is = new.next_if(|_| order.is_ge());
        Some((was, is))
    });
    let is_equal = |a: &Arc<V>, b: &Arc<V>| Arc::ptr_eq(a, b) || a == b;
    pairs.filter_map(move |pair| match pair {
        (Some((_, a)), Some((_, b))) if is_equal(a, b) => None,
        (Some((key, a)), b) => Some(Difference {
            key,
            old: Some(a),
            new: b.map(|(_, b)| b),
        }),
        (None, b) => b.map(|(key, b)| Difference {
            key,
            old: None,
            new: Some(b),
        }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_leads_from_one_to_the_other(
            old in btree_map(0_u8..20, 0_u8..3, 0..12),
            new in btree_map(0_u8..20, 0_u8..3, 0..12),
        ) {
            let shared = |map: BTreeMap<u8, u8>| -> BTreeMap<u8, Arc<u8>> {
                map.into_iter().map(|(key, value)| (key, Arc::new(value))).collect()
            };
            let (old, new) = (shared(old), shared(new));
            let mut walked = old.clone();
            for Difference { key, old, new } in differing(&old, &new) {
                prop_assert_ne!(old, new);
                let was = match new {
                    Some(value) => walked.insert(*key, Arc::clone(value)),
                    None => walked.remove(key),
                };
                prop_assert_eq!(was.as_ref(), old);
            }
            prop_assert_eq!(walked, new);
        }
    }
}
