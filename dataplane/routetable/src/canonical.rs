//! Canonical form: content hashes, the table's digest, and the difference of two tables.
//!
//! Equal content has equal hashes wherever it was compiled, so an unchanged resource is a no-op
//! and two replicas can compare what they serve by one number.

mod tracked;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::append;
use crate::id::{CertificateId, EndpointSetId, RouteId, ServerNameId};
use crate::model::{Certificate, EndpointSet, Route, RouteTable, ServerName};
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
        let sum = moved(sum, &old.endpoint_sets, &new.endpoint_sets);
        let sum = moved(sum, &old.certificates, &new.certificates);
        Self(moved(sum, &old.server_names, &new.server_names))
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

    /// The operations that turn `self` into `next`, in canonical order: what others refer to is put before them,
    /// and removed after them.
    pub fn diff(&self, next: &RouteTable) -> Vec<Op> {
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        let certificates = self.certificates.differences(&next.certificates);
        split(
            certificates,
            Op::PutCertificate,
            Op::RemoveCertificate,
            &mut put,
            &mut removed,
        );
        let sets = self.endpoint_sets.differences(&next.endpoint_sets);
        split(
            sets,
            Op::PutEndpointSet,
            Op::RemoveEndpointSet,
            &mut put,
            &mut removed,
        );
        let names = self.server_names.differences(&next.server_names);
        split(
            names,
            Op::PutServerName,
            Op::RemoveServerName,
            &mut put,
            &mut removed,
        );
        let routes = self.routes.differences(&next.routes);
        split(routes, Op::PutRoute, Op::RemoveRoute, &mut put, &mut removed);
        removed.reverse();
        put.append(&mut removed);
        put
    }

    /// Applies operations in order. Removing what is absent does nothing.
    pub fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::PutRoute(new) => drop(self.routes.insert(new.id, Arc::clone(new))),
                Op::PutEndpointSet(new) => drop(self.endpoint_sets.insert(new.id, Arc::clone(new))),
                Op::PutCertificate(new) => drop(self.certificates.insert(new.id, Arc::clone(new))),
                Op::PutServerName(new) => drop(self.server_names.insert(new.id, Arc::clone(new))),
                Op::RemoveRoute(id) => drop(self.routes.remove(id)),
                Op::RemoveEndpointSet(id) => drop(self.endpoint_sets.remove(id)),
                Op::RemoveCertificate(id) => drop(self.certificates.remove(id)),
                Op::RemoveServerName(id) => drop(self.server_names.remove(id)),
            }
        }
    }

    /// References that do not resolve inside the table.
    pub fn dangling(&self) -> Vec<Dangling> {
        let mut found = Vec::new();
        for route in self.routes.values() {
            let from = ResourceId::Route(route.id);
            for backend in &route.backends {
                if !self.endpoint_sets.contains_key(&backend.endpoint_set) {
                    found.push((from, ResourceId::EndpointSet(backend.endpoint_set)));
                }
                let shown = backend.protocol.tls.as_ref().and_then(|tls| tls.certificate);
                found.extend(shown.and_then(|id| self.lacks(id)).map(|to| (from, to)));
            }
        }
        for name in self.server_names.values() {
            let from = ResourceId::ServerName(name.id);
            let lacking = name.certificates.iter().filter_map(|id| self.lacks(*id));
            found.extend(lacking.map(|to| (from, to)));
        }
        found
    }

    fn lacks(&self, id: CertificateId) -> Option<ResourceId> {
        (!self.certificates.contains_key(&id)).then_some(ResourceId::Certificate(id))
    }
}

/// One step of a delta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Adds or replaces a route.
    PutRoute(Arc<Route>),
    /// Adds or replaces an endpoint set.
    PutEndpointSet(Arc<EndpointSet>),
    /// Adds or replaces a certificate.
    PutCertificate(Arc<Certificate>),
    /// Adds or replaces how TLS is spoken for a name.
    PutServerName(Arc<ServerName>),
    /// Removes a route.
    RemoveRoute(RouteId),
    /// Removes an endpoint set.
    RemoveEndpointSet(EndpointSetId),
    /// Removes a certificate.
    RemoveCertificate(CertificateId),
    /// Removes how TLS is spoken for a name.
    RemoveServerName(ServerNameId),
}

/// Any resource of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResourceId {
    /// A route.
    Route(RouteId),
    /// An endpoint set.
    EndpointSet(EndpointSetId),
    /// A certificate.
    Certificate(CertificateId),
    /// How TLS is spoken for a name.
    ServerName(ServerNameId),
}

/// A resource, and what it refers to that is not there.
pub type Dangling = (ResourceId, ResourceId);

/// Sorts the differences of one kind into what is put and what is removed.
fn split<'a, K: Ord + Copy + 'a, V: PartialEq + 'a>(
    differences: impl Iterator<Item = Difference<'a, K, V>>,
    as_put: fn(Arc<V>) -> Op,
    as_removed: fn(K) -> Op,
    put: &mut Vec<Op>,
    removed: &mut Vec<Op>,
) {
    for Difference { key, new, .. } in differences {
        match new {
            Some(new) => put.push(as_put(Arc::clone(new))),
            None => removed.push(as_removed(*key)),
        }
    }
}

#[cfg(test)]
mod tests;
