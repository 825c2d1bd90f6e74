//! The table as the controller sent it: the base on which deltas apply.
//!
//! Its digest is what the controller knows it by, so it keeps resources that cannot serve too.

use routetable::RouteTable;
use routetable::canonical::{Digest, Op, content_hash};
use routetable::wire::{Delta, Version};

/// Why a delta does not apply; either way a snapshot has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// It starts from another version than the one held.
    Base,
    /// Its result is not what was announced.
    Digest,
}

/// A table with its version and digest.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    version: Option<Version>,
    table: RouteTable,
    digest: Digest,
}

impl Held {
    pub(super) fn new(table: RouteTable, version: Version) -> Self {
        Self {
            version: Some(version),
            digest: table.digest(),
            table,
        }
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn table(&self) -> &RouteTable {
        &self.table
    }

    /// The same content under a new version.
    pub(super) fn rename(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Applies the whole delta or nothing of it. Costs what the delta holds, whatever the table's size.
    pub(super) fn apply(&mut self, delta: &Delta) -> Result<(), Mismatch> {
        if self.version != Some(delta.base) {
            return Err(Mismatch::Base);
        }
        let mut undo = Vec::with_capacity(delta.ops.len());
        let mut digest = self.digest.0;
        for op in &delta.ops {
            let inverse = self.inverse(op);
            digest = digest
                .wrapping_sub(hash(inverse.as_ref()))
                .wrapping_add(hash(Some(op)));
            self.table.apply(std::slice::from_ref(op));
            undo.extend(inverse);
        }
        if Digest(digest) != delta.digest {
            undo.reverse();
            self.table.apply(&undo);
            return Err(Mismatch::Digest);
        }
        self.digest = Digest(digest);
        self.version = Some(delta.next);
        Ok(())
    }

    /// The operation that takes `op` back; `None` when it would do nothing.
    fn inverse(&self, op: &Op) -> Option<Op> {
        let route = |id| self.table.routes.get(id).cloned().map(Op::PutRoute);
        let set = |id| self.table.endpoint_sets.get(id).cloned().map(Op::PutEndpointSet);
        match op {
            Op::PutRoute(new) => route(&new.id).or(Some(Op::RemoveRoute(new.id))),
            Op::PutEndpointSet(new) => set(&new.id).or(Some(Op::RemoveEndpointSet(new.id))),
            Op::RemoveRoute(id) => route(id),
            Op::RemoveEndpointSet(id) => set(id),
        }
    }
}

/// The share of a put resource in the table's digest.
fn hash(op: Option<&Op>) -> u64 {
    match op {
        Some(Op::PutRoute(route)) => content_hash(route),
        Some(Op::PutEndpointSet(set)) => content_hash(set),
        Some(Op::RemoveRoute(_) | Op::RemoveEndpointSet(_)) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use routetable::{EndpointSet, EndpointSetId};

    use super::*;

    const V: fn(u64) -> Version = |number| Version { epoch: 9, number };

    fn table(services: &[(&str, usize)]) -> RouteTable {
        let sets = services.iter().map(|(service, count)| EndpointSet {
            id: EndpointSetId::new("prod", service, "80"),
            namespace: "prod".into(),
            service: (*service).into(),
            port: "80".into(),
            endpoints: (0..*count)
                .map(|n| routetable::Endpoint {
                    address: ([10, 0, 0, n as u8], 80).into(),
                    state: routetable::EndpointState::Ready,
                })
                .collect(),
        });
        let endpoint_sets = sets.map(|set| (set.id, Arc::new(set))).collect();
        RouteTable {
            endpoint_sets,
            ..RouteTable::default()
        }
    }

    fn delta(from: &RouteTable, to: &RouteTable) -> Delta {
        Delta {
            base: V(1),
            next: V(2),
            ops: from.diff(to),
            digest: to.digest(),
        }
    }

    #[test]
    fn a_delta_leads_to_the_table_it_was_made_from() {
        let (old, new) = (table(&[("a", 1), ("b", 2)]), table(&[("b", 3), ("c", 0)]));
        let mut held = Held::new(old.clone(), V(1));
        held.apply(&delta(&old, &new)).unwrap();
        assert_eq!(
            (held.table(), held.version(), held.digest()),
            (&new, Some(V(2)), new.digest())
        );
    }

    #[test]
    fn a_delta_with_another_digest_leaves_no_trace() {
        let (old, new) = (table(&[("a", 1), ("b", 2)]), table(&[("b", 3), ("c", 0)]));
        let mut held = Held::new(old.clone(), V(1));
        let mut wrong = delta(&old, &new);
        wrong.digest = old.digest();
        assert_eq!(held.apply(&wrong), Err(Mismatch::Digest));
        assert_eq!(
            (held.table(), held.version(), held.digest()),
            (&old, Some(V(1)), old.digest())
        );
    }

    #[test]
    fn a_delta_on_another_base_is_not_looked_at() {
        let (old, new) = (table(&[("a", 1)]), table(&[]));
        assert_eq!(Held::default().apply(&delta(&old, &new)), Err(Mismatch::Base));
        assert_eq!(
            Held::new(old.clone(), V(7)).apply(&delta(&old, &new)),
            Err(Mismatch::Base)
        );
    }
}
