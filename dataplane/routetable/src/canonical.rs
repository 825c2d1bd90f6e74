//! Canonical form: content hashes, the table's digest, and the difference of two tables.
//!
//! Equal content has equal hashes wherever it was compiled, so an unchanged resource is a no-op
//! and two replicas can compare what they serve by one number.

mod tracked;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::append;
use crate::id::{EndpointSetId, RouteId};
use crate::model::{EndpointSet, Route, RouteTable};

pub use self::tracked::Tracked;

/// Hash of a resource's canonical (postcard) encoding.
pub fn content_hash(resource: &impl Serialize) -> u64 {
    hash_in(&mut Vec::with_capacity(512), resource)
}

fn hash_in(buffer: &mut Vec<u8>, resource: &impl Serialize) -> u64 {
    buffer.clear();
    // Encoding plain values into memory has no way to fail; a hash of less would only cost a
    // needless update.
    let _ = append(buffer, resource);
    xxh3_64(buffer)
}

/// The hash of a whole table, independent of order: the wrapping sum of its resources' content
/// hashes, so that a change costs what it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(pub u64);

impl RouteTable {
    /// The table's digest. Encodes all of it; [`Tracked`] keeps it up to date instead.
    pub fn digest(&self) -> Digest {
        let mut buffer = Vec::with_capacity(512);
        let mut sum = 0_u64;
        for route in self.routes.values() {
            sum = sum.wrapping_add(hash_in(&mut buffer, route));
        }
        for set in self.endpoint_sets.values() {
            sum = sum.wrapping_add(hash_in(&mut buffer, set));
        }
        Digest(sum)
    }

    /// The operations that turn `self` into `next`, in canonical order: sets and routes put, then
    /// routes and sets removed.
    pub fn diff(&self, next: &RouteTable) -> Vec<Op> {
        let mut ops = Vec::new();
        ops.extend(changed(&self.endpoint_sets, &next.endpoint_sets).map(Op::PutEndpointSet));
        ops.extend(changed(&self.routes, &next.routes).map(Op::PutRoute));
        ops.extend(missing(&self.routes, &next.routes).map(Op::RemoveRoute));
        ops.extend(missing(&self.endpoint_sets, &next.endpoint_sets).map(Op::RemoveEndpointSet));
        ops
    }

    /// Applies operations in order. Removing what is absent does nothing.
    pub fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::PutEndpointSet(set) => {
                    self.endpoint_sets.insert(set.id, Arc::clone(set));
                }
                Op::PutRoute(route) => {
                    self.routes.insert(route.id, Arc::clone(route));
                }
                Op::RemoveRoute(id) => {
                    self.routes.remove(id);
                }
                Op::RemoveEndpointSet(id) => {
                    self.endpoint_sets.remove(id);
                }
            }
        }
    }

    /// References that do not resolve inside the table, as (route, set).
    pub fn dangling(&self) -> Vec<(RouteId, EndpointSetId)> {
        let mut found = Vec::new();
        for route in self.routes.values() {
            for backend in &route.backends {
                if !self.endpoint_sets.contains_key(&backend.endpoint_set) {
                    found.push((route.id, backend.endpoint_set));
                }
            }
        }
        found
    }
}

/// One step of a delta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Adds or replaces a route.
    PutRoute(Arc<Route>),
    /// Adds or replaces an endpoint set.
    PutEndpointSet(Arc<EndpointSet>),
    /// Removes a route.
    RemoveRoute(RouteId),
    /// Removes an endpoint set.
    RemoveEndpointSet(EndpointSetId),
}

fn changed<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, Arc<V>>,
    new: &'a BTreeMap<K, Arc<V>>,
) -> impl Iterator<Item = Arc<V>> + 'a {
    new.iter()
        .filter(|(key, value)| old.get(key).is_none_or(|o| !Arc::ptr_eq(o, value) && o != *value))
        .map(|(_, value)| Arc::clone(value))
}

fn missing<'a, K: Ord + Copy, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = K> + 'a {
    old.keys().filter(|key| !new.contains_key(key)).copied()
}

#[cfg(test)]
mod tests;
