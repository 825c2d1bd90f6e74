//! The endpoint sets of a compilation, kept for the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::limits::MAX_ENDPOINTS;
use routetable::{Endpoint, EndpointSet, EndpointSetId, RouteTable};

use crate::compile::changes::Changes;
use crate::world::Name;

/// How many sets beyond those of the table are kept.
const SPARE: usize = 100;

/// Endpoint sets by Service and port. One that comes out equal keeps its `Arc`.
#[derive(Debug, Default)]
pub(in crate::compile) struct Sets {
    by_service: BTreeMap<Name, BTreeMap<String, Kept>>,
    count: usize,
}

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
        let outdate = |kept: &mut Kept| kept.is_outdated = true;
        if changes.resolved {
            let all = self.by_service.values_mut().flat_map(BTreeMap::values_mut);
            return all.for_each(outdate);
        }
        for service in changes.services.union(&changes.slices) {
            if let Some(sets) = self.by_service.get_mut(service) {
                sets.values_mut().for_each(outdate);
            }
        }
    }

    /// The set of this Service and port, and how many endpoints were found for it.
    pub(super) fn get(
        &mut self,
        service: Name,
        port: String,
        find: impl FnOnce() -> Vec<Endpoint>,
    ) -> (Arc<EndpointSet>, usize) {
        let sets = self.by_service.entry(service.clone()).or_default();
        let known = sets.get(&port);
        if let Some(kept) = known.filter(|kept| !kept.is_outdated) {
            return (Arc::clone(&kept.set), kept.found);
        }
        let mut endpoints = find();
        let found = endpoints.len();
        endpoints.truncate(MAX_ENDPOINTS);
        let Name { namespace, name } = service;
        let set = EndpointSet {
            id: EndpointSetId::new(&namespace, &name, &port),
            namespace,
            service: name,
            port: port.clone(),
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
        self.count += usize::from(sets.insert(port, kept).is_none());
        (set, found)
    }

    /// Forgets what the table does not hold, once that is much.
    pub(in crate::compile) fn keep_only(&mut self, table: &RouteTable) {
        if self.count <= table.endpoint_sets.len() + SPARE {
            return;
        }
        self.by_service.retain(|_, sets| {
            sets.retain(|_, kept| table.endpoint_sets.contains_key(&kept.set.id));
            !sets.is_empty()
        });
        self.count = self.by_service.values().map(BTreeMap::len).sum();
    }
}
