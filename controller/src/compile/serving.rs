//! Which objects' routes two replicas serve alike.
//!
//! Owns a digest of a table's routes in [`COUNT`] buckets, an object's routes all in one of them:
//! small enough for an annotation of a Lease, and a change of one object moves one bucket.
//! Endpoint sets take no part: replicas hear of pods at different moments all the time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use routetable::canonical::content_hash;
use routetable::shared_map::Difference;
use routetable::{ObjectId, ObjectRef, Route, RouteTable};

/// How many buckets there are.
pub const COUNT: usize = 128;

/// For each bucket, the wrapping sum of the content hashes of its routes.
#[derive(Clone, PartialEq, Eq)]
pub struct Buckets([u64; COUNT]);

/// The buckets of a table.
pub fn buckets(table: &RouteTable) -> Buckets {
    let mut buckets = Buckets::default();
    buckets.follow(&RouteTable::default(), table);
    buckets
}

impl Buckets {
    /// The bucket of an object.
    pub fn of(object: &ObjectRef) -> usize {
        (ObjectId::new(object).0 % COUNT as u64) as usize
    }

    /// True when both hold the same routes in this bucket.
    pub fn agree(&self, other: &Self, bucket: usize) -> bool {
        self.0.get(bucket) == other.0.get(bucket)
    }

    /// Goes on from the table `old`, whose buckets these are, to `new`. Routes that both share are
    /// not looked at.
    pub fn follow(&mut self, old: &RouteTable, new: &RouteTable) {
        for Difference { old, new, .. } in old.routes.differences(&new.routes) {
            old.iter().for_each(|route| self.take(route));
            new.iter().for_each(|route| self.add(route));
        }
    }

    /// As text, for an annotation.
    pub fn encode(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        STANDARD.encode(bytes)
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` for anything else.
    pub fn decode(text: &str) -> Option<Self> {
        // Another length is refused before anything is decoded.
        let expected = (COUNT * size_of::<u64>()).div_ceil(3) * 4;
        let bytes = STANDARD
            .decode(Some(text).filter(|text| text.len() == expected)?)
            .ok()?;
        let mut buckets = Self::default();
        let (sums, rest) = bytes.as_chunks::<8>();
        if sums.len() != COUNT || !rest.is_empty() {
            return None;
        }
        for (bucket, sum) in buckets.0.iter_mut().zip(sums) {
            *bucket = u64::from_le_bytes(*sum);
        }
        Some(buckets)
    }

    fn add(&mut self, route: &Route) {
        let sum = &mut self.0[Self::of(&route.source)];
        *sum = sum.wrapping_add(content_hash(route));
    }

    fn take(&mut self, route: &Route) {
        let sum = &mut self.0[Self::of(&route.source)];
        *sum = sum.wrapping_sub(content_hash(route));
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filled = self.0.iter().filter(|sum| **sum != 0).count();
        write!(f, "Buckets({filled} of {COUNT} filled)")
    }
}

#[cfg(test)]
mod tests;
