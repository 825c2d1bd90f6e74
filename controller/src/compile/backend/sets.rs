//! The endpoint sets of a compilation, kept for the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::limits::MAX_ENDPOINTS;
use routetable::{Endpoint, EndpointSet, EndpointSetId, RouteTable};

use crate::compile::changes::Changes;
use crate::world::Name;

/// Endpoint sets by id. One that comes out equal keeps its `Arc`.
#[derive(Debug, Default)]
pub(in crate::compile) struct Sets(BTreeMap<EndpointSetId, Kept>);

#[derive(Debug)]
struct Kept {
    set: Arc<EndpointSet>,
    /// How many endpoints there were, more than a set may hold included.
    found: usize,
    is_outdated: bool,
}

impl Sets {
    /// Marks the sets that may differ now.
    pub(in crate::compile) fn outdate(&mut self, changes: &Changes) {
        if !changes.resolved && changes.services.is_empty() && changes.slices.is_empty() {
            return;
        }
        for kept in self.0.values_mut() {
            let name = Name::new(&kept.set.namespace, &kept.set.service);
            kept.is_outdated |=
                changes.resolved || changes.services.contains(&name) || changes.slices.contains(&name);
        }
    }

    /// The set of this Service and port, and how many endpoints were found for it.
    pub(super) fn get(
        &mut self,
        service: Name,
        port: String,
        find: impl FnOnce() -> Vec<Endpoint>,
    ) -> (Arc<EndpointSet>, usize) {
        let Name { namespace, name } = service;
        let id = EndpointSetId::new(&namespace, &name, &port);
        let known = self.0.get(&id);
        if let Some(kept) = known.filter(|kept| !kept.is_outdated) {
            return (Arc::clone(&kept.set), kept.found);
        }
        let mut endpoints = find();
        let found = endpoints.len();
        endpoints.truncate(MAX_ENDPOINTS);
        let set = EndpointSet {
            id,
            namespace,
            service: name,
            port,
            endpoints,
        };
        let set = match known {
            Some(kept) if *kept.set == set => Arc::clone(&kept.set),
            _ => Arc::new(set),
        };
        let kept = Kept {
            set: Arc::clone(&set),
            found,
            is_outdated: false,
        };
        self.0.insert(id, kept);
        (set, found)
    }

    /// Forgets what the table does not hold.
    pub(in crate::compile) fn keep_only(&mut self, table: &RouteTable) {
        if self.0.len() != table.endpoint_sets.len() {
            self.0.retain(|id, _| table.endpoint_sets.contains_key(id));
        }
    }
}
