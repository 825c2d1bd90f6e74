//! A table that knows its digest.

use super::{Digest, Op, content_hash};
use crate::model::RouteTable;

/// A table with its digest kept up to date: an update encodes only what it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    table: RouteTable,
    digest: Digest,
}

impl From<RouteTable> for Tracked {
    fn from(table: RouteTable) -> Self {
        Self {
            digest: table.digest(),
            table,
        }
    }
}

impl Tracked {
    /// The table.
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The table without its digest.
    pub fn into_table(self) -> RouteTable {
        self.table
    }

    /// Applies operations in order; returns those that would take it back, in the order to apply
    /// them in.
    pub fn apply(&mut self, ops: &[Op]) -> Vec<Op> {
        let mut undo = Vec::with_capacity(ops.len());
        for op in ops {
            let inverse = self.inverse(op);
            let gone = inverse.as_ref().map_or(0, share);
            self.digest = Digest(self.digest.0.wrapping_add(share(op)).wrapping_sub(gone));
            self.table.apply(std::slice::from_ref(op));
            undo.extend(inverse);
        }
        undo.reverse();
        undo
    }

    /// The operation that takes `op` back; `None` when it does nothing.
    fn inverse(&self, op: &Op) -> Option<Op> {
        let route = |id| self.table.routes.get(id).cloned().map(Op::PutRoute);
        let set = |id| self.table.endpoint_sets.get(id).cloned().map(Op::PutEndpointSet);
        let certificate = |id| self.table.certificates.get(id).cloned().map(Op::PutCertificate);
        let name = |id| self.table.server_names.get(id).cloned().map(Op::PutServerName);
        match op {
            Op::PutRoute(new) => route(&new.id).or(Some(Op::RemoveRoute(new.id))),
            Op::PutEndpointSet(new) => set(&new.id).or(Some(Op::RemoveEndpointSet(new.id))),
            Op::PutCertificate(new) => certificate(&new.id).or(Some(Op::RemoveCertificate(new.id))),
            Op::PutServerName(new) => name(&new.id).or(Some(Op::RemoveServerName(new.id))),
            Op::RemoveRoute(id) => route(id),
            Op::RemoveEndpointSet(id) => set(id),
            Op::RemoveCertificate(id) => certificate(id),
            Op::RemoveServerName(id) => name(id),
        }
    }
}

/// What an operation's resource adds to the digest.
fn share(op: &Op) -> u64 {
    match op {
        Op::PutRoute(route) => content_hash(route),
        Op::PutEndpointSet(set) => content_hash(set),
        Op::PutCertificate(certificate) => content_hash(certificate),
        Op::PutServerName(name) => content_hash(name),
        Op::RemoveRoute(_)
        | Op::RemoveEndpointSet(_)
        | Op::RemoveCertificate(_)
        | Op::RemoveServerName(_) => 0,
    }
}
