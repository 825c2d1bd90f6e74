//! Canonical form: content hashes, the table's digest, and the difference of two tables.
//!
//! Equal content has equal hashes wherever it was compiled, so an unchanged resource is a no-op
//! and two replicas can compare what they serve by one number.

mod tracked;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::append;
use crate::id::{EndpointSetId, RouteId};
use crate::model::{EndpointSet, Route, RouteTable};
use crate::shared_map::{Difference, SharedMap};

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

impl Digest {
    /// The digest of `new`, if `self` is that of `old`. Encodes only what differs.
    #[must_use]
    pub fn follow(self, old: &RouteTable, new: &RouteTable) -> Self {
        let sum = moved(self.0, &old.routes, &new.routes);
        Self(moved(sum, &old.endpoint_sets, &new.endpoint_sets))
    }
}

/// The sum of the hashes of `new`, if `sum` is that of `old`.
fn moved<K: Ord, V: PartialEq + Serialize>(sum: u64, old: &SharedMap<K, V>, new: &SharedMap<K, V>) -> u64 {
    let mut buffer = Vec::with_capacity(512);
    let mut hash = |resource: Option<&Arc<V>>| resource.map_or(0, |resource| hash_in(&mut buffer, resource));
    let differences = old.differences(new);
    differences.fold(sum, |sum, Difference { old, new, .. }| {
        sum.wrapping_sub(hash(old)).wrapping_add(hash(new))
    })
}

impl RouteTable {
    /// The table's digest. Encodes all of it; [`Tracked`] keeps it up to date instead.
    pub fn digest(&self) -> Digest {
        Digest::default().follow(&Self::default(), self)
    }

    /// The operations that turn `self` into `next`, in canonical order: sets and routes put, then
    /// routes and sets removed.
    pub fn diff(&self, next: &RouteTable) -> Vec<Op> {
        let mut ops = Vec::new();
        let (mut sets_removed, mut routes_removed) = (Vec::new(), Vec::new());
        for Difference { key, new, .. } in self.endpoint_sets.differences(&next.endpoint_sets) {
            match new {
                Some(set) => ops.push(Op::PutEndpointSet(Arc::clone(set))),
                None => sets_removed.push(Op::RemoveEndpointSet(*key)),
            }
        }
        for Difference { key, new, .. } in self.routes.differences(&next.routes) {
            match new {
                Some(route) => ops.push(Op::PutRoute(Arc::clone(route))),
                None => routes_removed.push(Op::RemoveRoute(*key)),
            }
        }
        ops.extend(routes_removed);
        ops.extend(sets_removed);
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

#[cfg(test)]
mod tests;
