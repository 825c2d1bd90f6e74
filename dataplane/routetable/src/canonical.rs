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
use crate::shared_map::Difference;

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
        let Self(mut sum) = self;
        let mut buffer = Vec::with_capacity(512);
        for Difference { old, new, .. } in old.routes.differences(&new.routes) {
            sum = sum.wrapping_sub(old.map_or(0, |route| hash_in(&mut buffer, route)));
            sum = sum.wrapping_add(new.map_or(0, |route| hash_in(&mut buffer, route)));
        }
        for Difference { old, new, .. } in old.endpoint_sets.differences(&new.endpoint_sets) {
            sum = sum.wrapping_sub(old.map_or(0, |set| hash_in(&mut buffer, set)));
            sum = sum.wrapping_add(new.map_or(0, |set| hash_in(&mut buffer, set)));
        }
        Self(sum)
    }
}

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
        let (mut puts, mut removals) = (Vec::new(), Vec::new());
        for Difference { key, new, .. } in self.endpoint_sets.differences(&next.endpoint_sets) {
            match new {
                Some(set) => puts.push(Op::PutEndpointSet(Arc::clone(set))),
                None => removals.push(Op::RemoveEndpointSet(*key)),
            }
        }
        let sets_removed = removals.len();
        for Difference { key, new, .. } in self.routes.differences(&next.routes) {
            match new {
                Some(route) => puts.push(Op::PutRoute(Arc::clone(route))),
                None => removals.push(Op::RemoveRoute(*key)),
            }
        }
        removals.rotate_left(sets_removed);
        puts.extend(removals);
        puts
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
