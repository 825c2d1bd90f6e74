//! The index: finds the winning route without looking at the others.

use std::sync::Arc;

use super::request::Request;
use super::shards::{Map, Shards};
use super::table::{Candidate, HostTable};
use super::{RequestView, host, path};
use crate::id::RouteId;
use crate::model::{HostPattern, Route};
use crate::validate::{Invalid, route_bounds};

/// Routes with what they lead to (`T`), indexed for matching. Cloning shares everything; an update
/// copies only the shards of the hosts it touches.
#[derive(Clone, Debug)]
pub struct Index<T> {
    hosts: Shards<Hosts<T>>,
    any: Arc<HostTable<T>>,
    routes: Shards<Map<RouteId, Arc<Route>>>,
}

/// The named hosts of one shard.
#[derive(Clone, Debug)]
struct Hosts<T> {
    exact: Map<Arc<str>, Arc<HostTable<T>>>,
    /// By what follows the first label.
    wildcard: Map<Arc<str>, Arc<HostTable<T>>>,
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self {
            exact: Map::default(),
            wildcard: Map::default(),
        }
    }
}

impl<T: Clone> Default for Index<T> {
    fn default() -> Self {
        Self {
            hosts: Shards::default(),
            any: Arc::default(),
            routes: Shards::default(),
        }
    }
}

impl<T: Clone> Index<T> {
    /// Adds a route, or replaces the one with its id.
    ///
    /// # Errors
    /// The route is not [valid](crate::validate::route); the index keeps what it had under that id.
    pub fn insert(&mut self, route: Arc<Route>, target: T) -> Result<(), Invalid> {
        route_bounds(&route)?;
        let candidates = Candidate::compile(&route, &target)?;
        self.remove(route.id);
        for host in &route.hosts {
            self.update(host, |table| {
                for candidate in &candidates {
                    table.insert(Arc::clone(candidate));
                }
            });
        }
        self.routes
            .of_mut(&route.id.0.to_le_bytes())
            .insert(route.id, route);
        Ok(())
    }

    /// Removes a route; false if it is absent.
    pub fn remove(&mut self, id: RouteId) -> bool {
        let key = id.0.to_le_bytes();
        // Looked up first, so that a shard is not copied for nothing.
        if !self.routes.of(&key).contains_key(&id) {
            return false;
        }
        let Some(route) = self.routes.of_mut(&key).remove(&id) else {
            return false;
        };
        for host in &route.hosts {
            self.update(host, |table| table.remove(&route));
        }
        true
    }

    /// The target of the winning route. Allocates only when host or path are not in normal form or
    /// a condition asks for a repeated header or an escaped query parameter.
    pub fn find(&self, request: &RequestView<'_>) -> Option<&T> {
        self.winner(&Request::new(request))
            .map(|candidate| &candidate.target)
    }

    /// Whether `..` in the path leaves it to the backend which route the request belongs to, or
    /// climbs above the root: refuse such a request. Cheap for paths without `..`.
    ///
    /// The path goes to the backend verbatim. A backend that takes dot segments as names, or
    /// removes them in another order, or decodes `%2f` before it does, may serve what another
    /// route guards. Each known reading of the path must come to the same route.
    pub fn is_ambiguous(&self, request: &RequestView<'_>) -> bool {
        let Some(readings) = path::readings(request.path) else {
            return false;
        };
        let request = Request::new(request);
        let route = |request: &Request<'_>| self.winner(request).map(|candidate| candidate.route.id);
        let normal = route(&request);
        readings.climbs
            || readings
                .paths
                .iter()
                .any(|path| route(&request.with_path(path)) != normal)
    }

    fn winner(&self, request: &Request<'_>) -> Option<&Candidate<T>> {
        let name = &*request.host;
        let exact = self.hosts.of(name.as_bytes()).exact.get(name);
        let wildcard = host::wildcard_suffix(name)
            .and_then(|suffix| self.hosts.of(suffix.as_bytes()).wildcard.get(suffix));
        let tables = [exact, wildcard, Some(&self.any)];
        let tables = tables.iter().flatten();
        let rule = tables.clone().find_map(|table| table.rule(request));
        rule.or_else(|| tables.clone().find_map(|table| table.fallback(request)))
    }

    /// Changes the table of a host; makes it if it is absent, drops it if it ends empty.
    fn update(&mut self, host: &HostPattern, change: impl FnOnce(&mut HostTable<T>)) {
        let (name, wildcard) = match host {
            HostPattern::Any => return change(Arc::make_mut(&mut self.any)),
            HostPattern::Exact(name) => (name, false),
            HostPattern::Wildcard(suffix) => (suffix, true),
        };
        let hosts = self.hosts.of_mut(name.as_bytes());
        let map = if wildcard {
            &mut hosts.wildcard
        } else {
            &mut hosts.exact
        };
        let table = map.entry(name.as_str().into()).or_default();
        let table = Arc::make_mut(table);
        change(table);
        if table.is_empty() {
            map.remove(name.as_str());
        }
    }
}
