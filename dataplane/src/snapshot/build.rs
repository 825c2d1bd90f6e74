//! Turns table changes into the next [`Snapshot`], sharing what did not change.
//!
//! The only writer of snapshots and slots. A resource with equal content keeps its identity; a
//! changed endpoint set is one store into its slot; only touched hosts are indexed again. A bad
//! route is reported and leaves its last good version serving.

mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use routetable::canonical::Op;
use routetable::wire::{ItemError, ResourceId};
use routetable::{EndpointSet, EndpointSetId, ObjectId, Route};

pub use self::tls::TlsBasis;
use super::{
    BackendEntry, Endpoint, EndpointSlot, LiveEndpoint, Protocol, RouteEntry, Snapshot, claim, listed,
};

/// Keeps the snapshot that the workers read up to date.
#[derive(Debug)]
pub struct Builder {
    shared: Arc<ArcSwap<Snapshot>>,
    /// Endpoints that left their slot with work under way: if they return, so does their count.
    departed: Vec<(EndpointSetId, Weak<Endpoint>)>,
    failing: BTreeMap<ResourceId, String>,
    basis: TlsBasis,
    clients: tls::Clients,
}

/// A slot with what it is about to list.
type Store = (Arc<EndpointSlot>, Vec<LiveEndpoint>);

impl Builder {
    /// Starts from the snapshot in `shared`, usually an empty one.
    pub fn new(shared: Arc<ArcSwap<Snapshot>>) -> Self {
        Self::with_tls(shared, TlsBasis::default())
    }

    /// The same with what the table does not say about TLS.
    pub fn with_tls(shared: Arc<ArcSwap<Snapshot>>, basis: TlsBasis) -> Self {
        let mut first = Snapshot::clone(&shared.load());
        basis.prepare(&mut first);
        shared.store(Arc::new(first));
        Self {
            shared,
            departed: Vec::new(),
            failing: BTreeMap::new(),
            basis,
            clients: tls::Clients::new(),
        }
    }

    /// Applies one transaction and publishes the result. What could not be applied is listed by
    /// [`failing`](Self::failing).
    pub fn apply(&mut self, ops: &[Op]) {
        let mut next = Snapshot::clone(&self.shared.load());
        let stores = self.put_sets(&mut next, ops);
        self.put_certificates(&mut next, ops);
        for op in ops {
            match op {
                Op::PutServerName(name) => self.put_server_name(&mut next, name),
                Op::RemoveServerName(id) => {
                    self.note(ResourceId::ServerName(*id), None);
                    next.names.remove(id.0);
                }
                Op::PutRoute(route) => self.put_route(&mut next, route),
                Op::RemoveRoute(id) => {
                    self.note(ResourceId::Route(*id), None);
                    if let Some(entry) = next.routes.remove(id.0) {
                        next.index.remove(*id);
                        next.unclaim(&entry.route);
                    }
                }
                _ => {}
            }
        }
        for op in ops {
            match op {
                Op::RemoveEndpointSet(id) => drop(next.slots.remove(id.0)),
                Op::RemoveCertificate(id) => {
                    self.note(ResourceId::Certificate(*id), None);
                    next.certificates.remove(id.0);
                }
                _ => {}
            }
        }
        self.publish(next, stores);
    }

    /// What can't serve in its present version, with the reason.
    pub fn failing(&self) -> impl Iterator<Item = ItemError> {
        self.failing.iter().map(|(id, message)| ItemError {
            resource: *id,
            message: message.clone(),
        })
    }

    /// The snapshot that serves.
    pub fn current(&self) -> Arc<Snapshot> {
        self.shared.load_full()
    }

    /// New sets become slots at once, since nothing leads to them yet; changed ones are returned.
    fn put_sets(&mut self, next: &mut Snapshot, ops: &[Op]) -> Vec<Store> {
        let mut stores = Vec::new();
        for op in ops {
            let Op::PutEndpointSet(set) = op else { continue };
            let slot = next.slots.get(set.id.0).cloned();
            let before = slot
                .as_ref()
                .map(|slot| slot.endpoints.load_full())
                .unwrap_or_default();
            let endpoints = self.live(set, &before);
            match slot {
                Some(slot) if same(&before, &endpoints) => drop(slot),
                Some(slot) => stores.push((slot, endpoints)),
                None => {
                    let slot = Arc::new(EndpointSlot::new(set, endpoints));
                    next.slots.insert(set.id.0, slot);
                }
            }
        }
        stores
    }

    fn live(&self, set: &EndpointSet, before: &[LiveEndpoint]) -> Vec<LiveEndpoint> {
        let keep = |address: SocketAddr| {
            listed(before, address)
                .map(|live| Arc::clone(&live.endpoint))
                .or_else(|| self.departed(set.id, address))
        };
        let endpoints = set.endpoints.iter().map(|endpoint| LiveEndpoint {
            state: endpoint.state,
            endpoint: keep(endpoint.address).unwrap_or_else(|| Arc::new(Endpoint::new(endpoint.address))),
        });
        let mut endpoints: Vec<_> = endpoints.collect();
        endpoints.sort_by_key(|live| live.endpoint.address);
        endpoints
    }

    fn departed(&self, set: EndpointSetId, address: SocketAddr) -> Option<Arc<Endpoint>> {
        let of_set = self.departed.iter().filter(|(id, _)| *id == set);
        of_set
            .filter_map(|(_, endpoint)| endpoint.upgrade())
            .find(|endpoint| endpoint.address == address)
    }

    fn put_route(&mut self, next: &mut Snapshot, route: &Arc<Route>) {
        let unchanged = next.routes.get(route.id.0).is_some_and(|entry| {
            // A last good version may have outlived its set, and then leads to a slot that nobody fills.
            let attached =
                |slot: &Arc<EndpointSlot>| next.slots.get(slot.id.0).is_some_and(|s| Arc::ptr_eq(s, slot));
            entry.route == *route && entry.backends.iter().all(|backend| attached(&backend.slot))
        });
        let result = if unchanged {
            Ok(())
        } else {
            self.index(next, route)
        };
        self.note(ResourceId::Route(route.id), result.err());
    }

    /// Notes why a resource can't serve, or that nothing is wrong with it any more.
    fn note(&mut self, resource: ResourceId, wrong: Option<String>) {
        match wrong {
            Some(message) => self.failing.insert(resource, message),
            None => self.failing.remove(&resource),
        };
    }

    fn index(&mut self, next: &mut Snapshot, route: &Arc<Route>) -> Result<(), String> {
        let mut backends = Vec::with_capacity(route.backends.len());
        for backend in &route.backends {
            let slot = next
                .slots
                .get(backend.endpoint_set.0)
                .ok_or_else(|| format!("endpoint set {} is not in the table", backend.endpoint_set))?;
            let slot = Arc::clone(slot);
            let protocol = &backend.protocol;
            let tls = protocol.tls.as_ref().map(|tls| self.client(next, tls, protocol));
            backends.push(BackendEntry {
                weight: backend.weight,
                slot,
                protocol: Protocol {
                    tls: tls.transpose()?,
                    http2: protocol.http2,
                    proxy_header: protocol.proxy_header,
                },
            });
        }
        let entry = Arc::new(RouteEntry::new(Arc::clone(route), backends));
        next.index
            .insert(Arc::clone(route), Arc::clone(&entry))
            .map_err(|error| error.to_string())?;
        next.claim(route);
        if let Some(before) = next.routes.insert(route.id.0, entry) {
            next.unclaim(&before.route);
        }
        Ok(())
    }

    /// Swaps the snapshot in. Changed slots list old and new endpoints until then, so that a request
    /// on either side of the swap finds what its route expects.
    fn publish(&mut self, next: Snapshot, stores: Vec<Store>) {
        for (slot, endpoints) in &stores {
            slot.endpoints
                .store(Arc::new(union(endpoints, &slot.endpoints.load())));
        }
        self.shared.store(Arc::new(next));
        self.departed.retain(|(_, endpoint)| endpoint.strong_count() > 0);
        for (slot, endpoints) in stores {
            let before = slot.endpoints.swap(Arc::new(endpoints));
            for live in before.iter().filter(|live| !slot.lists(live.endpoint.address)) {
                self.departed.push((slot.id, Arc::downgrade(&live.endpoint)));
            }
        }
    }
}

impl Snapshot {
    /// Counts where a route leads.
    fn claim(&mut self, route: &Route) {
        for key in claims(route) {
            let others = self.claims.get(key).copied().unwrap_or(0);
            self.claims.insert(key, others + 1);
        }
    }

    fn unclaim(&mut self, route: &Route) {
        for key in claims(route) {
            match self.claims.get(key).copied() {
                Some(count @ 2..) => self.claims.insert(key, count - 1),
                _ => self.claims.remove(key),
            };
        }
    }
}

/// The claims of a route, one a backend.
fn claims(route: &Route) -> impl Iterator<Item = u64> {
    let object = ObjectId::new(&route.source);
    let backends = route.backends.iter();
    backends.map(move |backend| claim(object, backend.endpoint_set))
}

fn same(a: &[LiveEndpoint], b: &[LiveEndpoint]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| a.state == b.state && Arc::ptr_eq(&a.endpoint, &b.endpoint))
}

fn union(new: &[LiveEndpoint], old: &[LiveEndpoint]) -> Vec<LiveEndpoint> {
    let gone = old
        .iter()
        .filter(|old| listed(new, old.endpoint.address).is_none());
    let mut union: Vec<_> = new.iter().chain(gone).cloned().collect();
    union.sort_by_key(|live| live.endpoint.address);
    union
}

#[cfg(test)]
mod tests;
