//! A map of path prefixes by whole elements.

use std::sync::Arc;

use crate::matching::shards::Map;

/// Prefixes, each held without a trailing slash.
#[derive(Clone, Debug)]
pub(super) struct PrefixMap<B> {
    map: Map<Arc<str>, B>,
    /// How many prefixes have the length that is the place; the last is not zero. Spares a request
    /// with many slashes a look-up at each.
    lengths: Vec<u32>,
}

impl<B> Default for PrefixMap<B> {
    fn default() -> Self {
        Self {
            map: Map::default(),
            lengths: Vec::new(),
        }
    }
}

impl<B: Default> PrefixMap<B> {
    /// What `accept` makes of the longest prefix of `path` that it accepts.
    pub(super) fn find<'a, R>(&'a self, path: &str, accept: impl Fn(&'a B) -> Option<R>) -> Option<R> {
        let mut end = path.len();
        loop {
            if self.lengths.get(end).is_some_and(|count| *count > 0)
                && let Some(found) = self.map.get(&path[..end]).and_then(&accept)
            {
                return Some(found);
            }
            // A slash right behind the longest prefix is the first that can matter.
            let limit = end.min(self.lengths.len());
            end = path.as_bytes()[..limit].iter().rposition(|b| *b == b'/')?;
        }
    }

    /// The bucket of `prefix`, made if it is absent.
    pub(super) fn entry(&mut self, prefix: &str) -> &mut B {
        if !self.map.contains_key(prefix) {
            if self.lengths.len() <= prefix.len() {
                self.lengths.resize(prefix.len() + 1, 0);
            }
            self.lengths[prefix.len()] += 1;
        }
        self.map.entry(prefix.into()).or_default()
    }

    /// Changes the bucket of `prefix`, if there is one; drops it when `keep` says false.
    pub(super) fn update(&mut self, prefix: &str, keep: impl FnOnce(&mut B) -> bool) {
        if let Some(bucket) = self.map.get_mut(prefix)
            && !keep(bucket)
        {
            self.map.remove(prefix);
            self.lengths[prefix.len()] -= 1;
            while self.lengths.last() == Some(&0) {
                self.lengths.pop();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(map: &PrefixMap<u8>, path: &str) -> Option<u8> {
        map.find(path, |value| Some(*value))
    }

    #[test]
    fn longest_prefix_by_whole_elements() {
        let mut map = PrefixMap::default();
        for (prefix, value) in [("", 0), ("/a", 1), ("/a/bb/c", 3)] {
            *map.entry(prefix) = value;
        }
        for (path, value) in [
            ("/", 0),
            ("/a", 1),
            ("/a/", 1),
            ("/ab", 0),
            ("/a/bb", 1),
            ("/a/bb/c", 3),
            ("/a/bb/c/", 3),
            ("/a/bb/cc", 1),
            ("/a/bb/c/d/e/f", 3),
        ] {
            assert_eq!(find(&map, path), Some(value), "{path}");
        }
        assert_eq!(find(&map, "*"), None);
        map.update("/a/bb/c", |_| false);
        map.update("/absent", |_| false);
        assert_eq!(find(&map, "/a/bb/c/d"), Some(1));
        assert_eq!(map.lengths, [1, 0, 1]);
        map.update("/a", |_| false);
        map.update("", |_| false);
        assert!(map.is_empty() && map.lengths.is_empty());
        assert_eq!(find(&map, "/a"), None);
    }
}
