//! A sorted map whose copies share what they have in common.
//!
//! Ten thousand entries change one at a time, and every change makes a version that somebody else
//! still reads. So entries stand in chunks behind `Arc`: a copy copies the list of chunks, a change
//! copies one chunk, and the difference of two versions is looked for only in chunks that differ.

mod difference;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use self::difference::Difference;

/// Most entries of a chunk; one more, and it is split.
const MAX_CHUNK: usize = 64;

/// Sorted entries; never empty.
type Chunk<K, V> = Arc<Vec<(K, Arc<V>)>>;

/// See the module.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    chunks: Vec<Chunk<K, V>>,
    len: usize,
}

/// Where a key stands or belongs.
struct Place {
    chunk: usize,
    entry: Result<usize, usize>,
}

impl<K, V> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, sorted.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &Arc<V>)> + Clone {
        let entries = self.chunks.iter().flat_map(|chunk| chunk.iter());
        entries.map(|(key, value)| (key, value))
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// All values, by their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Arc<V>> + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&Arc<V>>
    where
        K: Borrow<Q>,
    {
        let Place { chunk, entry } = self.place(key);
        self.chunks.get(chunk)?.get(entry.ok()?).map(|(_, value)| value)
    }

    /// True when the key has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).entry.is_ok()
    }

    /// The entries from a key on, sorted.
    pub fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = (&K, &Arc<V>)>
    where
        K: Borrow<Q>,
    {
        let Place { chunk, entry } = self.place(key);
        let before = match entry {
            Ok(entry) | Err(entry) => entry,
        };
        let chunks = self.chunks.iter().skip(chunk);
        let entries = chunks.flat_map(|chunk| chunk.iter()).skip(before);
        entries.map(|(key, value)| (key, value))
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Place
    where
        K: Borrow<Q>,
    {
        let starts_at_or_before =
            |chunk: &Chunk<K, V>| chunk.first().is_some_and(|(first, _)| first.borrow() <= key);
        let chunk = self.chunks.partition_point(starts_at_or_before).saturating_sub(1);
        let entry = self.chunks.get(chunk).map_or(Err(0), |entries| {
            entries.binary_search_by(|(known, _)| known.borrow().cmp(key))
        });
        Place { chunk, entry }
    }
}

impl<K: Ord + Clone, V> SharedMap<K, V> {
    /// Gives a key a value; returns the one that it had.
    pub fn insert(&mut self, key: K, value: Arc<V>) -> Option<Arc<V>> {
        let Place { chunk, entry } = self.place(&key);
        let Some(entries) = self.chunks.get_mut(chunk).map(Arc::make_mut) else {
            self.chunks.push(Arc::new(vec![(key, value)]));
            self.len = 1;
            return None;
        };
        match entry {
            Ok(entry) => Some(std::mem::replace(&mut entries[entry].1, value)),
            Err(entry) => {
                entries.insert(entry, (key, value));
                if entries.len() > MAX_CHUNK {
                    let rest = entries.split_off(MAX_CHUNK / 2);
                    self.chunks.insert(chunk + 1, Arc::new(rest));
                }
                self.len += 1;
                None
            }
        }
    }

    /// Takes a key's value away, and returns it.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        let Place { chunk, entry } = self.place(key);
        let entry = entry.ok()?;
        let entries = Arc::make_mut(&mut self.chunks[chunk]);
        let (_, value) = entries.remove(entry);
        if entries.is_empty() {
            self.chunks.remove(chunk);
        }
        self.len -= 1;
        Some(value)
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<K: Ord, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.differences(other).next().is_none()
    }
}

impl<K: Ord, V: Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V> FromIterator<(K, Arc<V>)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, Arc<V>)>>(entries: I) -> Self {
        let sorted: BTreeMap<K, Arc<V>> = entries.into_iter().collect();
        let len = sorted.len();
        let mut sorted = sorted.into_iter().peekable();
        let mut chunks = Vec::with_capacity(len.div_ceil(MAX_CHUNK / 2));
        while sorted.peek().is_some() {
            chunks.push(Arc::new(sorted.by_ref().take(MAX_CHUNK / 2).collect()));
        }
        Self { chunks, len }
    }
}

#[cfg(test)]
mod tests;
