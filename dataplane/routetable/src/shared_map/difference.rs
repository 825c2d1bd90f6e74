//! What differs between two versions of a map.

use std::cmp::Ordering;
use std::iter::from_fn;
use std::sync::Arc;

use super::{Chunk, SharedMap};

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

impl<K: Ord, V: PartialEq> SharedMap<K, V> {
    /// The entries in which `next` differs, sorted. What both share is passed over.
    pub fn differences<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = Difference<'a, K, V>> {
        let (mut old, mut new) = (Walk::new(&self.chunks), Walk::new(&next.chunks));
        from_fn(move || {
            loop {
                old.skip_shared(&mut new);
                let order = match (old.peek(), new.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some((a, _)), Some((b, _))) => a.cmp(b),
                };
                let was = if order.is_le() { old.next() } else { None };
                let is = if order.is_ge() { new.next() } else { None };
                match (was, is) {
                    (Some((_, a)), Some((_, b))) if Arc::ptr_eq(a, b) || a == b => {}
                    (Some((key, was)), is) => {
                        return Some(Difference {
                            key,
                            old: Some(was),
                            new: is.map(|(_, is)| is),
                        });
                    }
                    (None, is) => {
                        return is.map(|(key, is)| Difference {
                            key,
                            old: None,
                            new: Some(is),
                        });
                    }
                }
            }
        })
    }
}

/// A walk through all entries that knows where chunks begin.
struct Walk<'a, K, V> {
    chunks: &'a [Chunk<K, V>],
    /// What is left of the chunk before them.
    rest: &'a [(K, Arc<V>)],
}

impl<'a, K, V> Walk<'a, K, V> {
    fn new(chunks: &'a [Chunk<K, V>]) -> Self {
        let mut walk = Self { chunks, rest: &[] };
        walk.enter();
        walk
    }

    /// Begins the next chunk if nothing is left of this one.
    fn enter(&mut self) {
        if self.rest.is_empty()
            && let [first, chunks @ ..] = self.chunks
        {
            (self.rest, self.chunks) = (first, chunks);
        }
    }

    fn peek(&self) -> Option<&'a (K, Arc<V>)> {
        self.rest.first()
    }

    fn next(&mut self) -> Option<&'a (K, Arc<V>)> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.enter();
        Some(first)
    }

    /// Passes over what is the same memory in both.
    fn skip_shared(&mut self, other: &mut Self) {
        while !self.rest.is_empty() && std::ptr::eq(self.rest, other.rest) {
            (self.rest, other.rest) = (&[], &[]);
            self.enter();
            other.enter();
        }
    }
}
