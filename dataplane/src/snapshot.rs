//! What the workers read: an immutable index of routes that lead to shared endpoint slots.
//!
//! A session never holds a [`Snapshot`]: it keeps a route id, an endpoint guard and copied settings.
//! Slots and endpoints keep their identity across snapshots, so counts survive every change.

pub mod build;
pub mod names;
mod shards;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use routetable::matching::{Index, RequestView};
use routetable::{EndpointSet, EndpointSetId, EndpointState, ObjectId, ProxyVersion, Route, RouteId};

use self::names::NameEntry;
use self::shards::Shards;
use crate::metrics::{BackendSeries, RouteSeries};
use crate::tls::certificate::CertificateSlot;
use crate::tls::client::Client;
use crate::tls::stream::Stream;
use crate::tunnel::{Standing, Target};

/// One version of the table, ready to match. Cheap to clone: everything inside is shared, and a
/// change copies only what it touches.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    index: Index<Arc<RouteEntry>>,
    routes: Shards<Arc<RouteEntry>>,
    slots: Shards<Arc<EndpointSlot>>,
    certificates: Shards<Arc<CertificateSlot>>,
    names: Shards<Arc<NameEntry>>,
    /// Who answers to a name that nobody has, unless the table says so.
    stand_in: Option<Arc<NameEntry>>,
    refuses_unknown_names: bool,
    /// How many routes of an object lead to a set, by [`claim`].
    claims: Shards<u32>,
}

impl Snapshot {
    /// The route that takes the request.
    pub fn find(&self, request: &RequestView<'_>) -> Option<&Arc<RouteEntry>> {
        self.index.find(request)
    }

    /// Whether a backend may read the path in a way that belongs to another route; refuse it then.
    pub fn is_ambiguous(&self, request: &RequestView<'_>) -> bool {
        self.index.is_ambiguous(request)
    }

    /// What a session stands on.
    ///
    /// Its route stands while the table has it, wherever it leads by now, or while another rule of
    /// the same object leads to the session's backend: whoever renames a rule or edits its matches
    /// does not mean to cut anybody. Its endpoint stands while its set lists it, in any state, and
    /// also when nothing leads to that set any more: then nobody says that the endpoint is gone, and
    /// a slip in a Service's name must not end sessions that work.
    pub fn judge(&self, target: &Target) -> Standing {
        let set = target.endpoint_set;
        let route_stands =
            self.routes.get(target.route.0).is_some() || self.claims.get(claim(target.object, set)).is_some();
        let endpoint_stands = self
            .slots
            .get(set.0)
            .is_none_or(|slot| slot.lists(target.endpoint));
        match (route_stands, endpoint_stands) {
            (false, _) => Standing::RouteGone,
            (true, false) => Standing::EndpointGone,
            (true, true) => Standing::Stands,
        }
    }

    /// The route with this id.
    pub fn route(&self, id: RouteId) -> Option<&Arc<RouteEntry>> {
        self.routes.get(id.0)
    }

    /// The slot with this id.
    pub fn slot(&self, id: EndpointSetId) -> Option<&Arc<EndpointSlot>> {
        self.slots.get(id.0)
    }

    /// All routes, in no order.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<RouteEntry>> {
        self.routes.values()
    }

    /// All endpoint slots, in no order.
    pub fn slots(&self) -> impl Iterator<Item = &Arc<EndpointSlot>> {
        self.slots.values()
    }
}

/// The key of "this object leads to this set". Both are hashes.
fn claim(object: ObjectId, set: EndpointSetId) -> u64 {
    object.0 ^ set.0.rotate_left(32)
}

/// A route with its slots resolved.
#[derive(Debug)]
pub struct RouteEntry {
    /// As the controller sent it.
    pub route: Arc<Route>,
    /// Where it leads, in the order of `route.backends`.
    pub backends: Vec<BackendEntry>,
    /// Its counters, looked up by its names at first use.
    pub series: OnceLock<Arc<RouteSeries>>,
}

impl RouteEntry {
    /// A route that nothing was counted of.
    pub fn new(route: Arc<Route>, backends: Vec<BackendEntry>) -> Self {
        Self {
            route,
            backends,
            series: OnceLock::new(),
        }
    }
}

/// One share of a route's traffic.
#[derive(Debug)]
pub struct BackendEntry {
    /// Relative share of new work.
    pub weight: u32,
    /// The endpoints, whichever they are at the moment.
    pub slot: Arc<EndpointSlot>,
    /// How they are spoken to.
    pub protocol: Protocol,
}

/// How an endpoint is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Protocol {
    /// How TLS is spoken, if it is.
    pub tls: Option<Arc<Client>>,
    /// HTTP/2 is spoken.
    pub http2: bool,
    /// A header in front of all says who the client is.
    pub proxy_header: Option<ProxyVersion>,
}

impl Protocol {
    /// Whether HTTP/2 is what is spoken on a connection that was made like this: over TLS the endpoint has chosen.
    pub fn speaks_http2(&self, stream: &Stream) -> bool {
        self.http2 && (self.tls.is_none() || stream.speaks_http2())
    }
}

/// The changing endpoints of one Service port. Routes point here; an EndpointSlice's churn is one
/// store into `endpoints` and touches no route.
#[derive(Debug)]
pub struct EndpointSlot {
    /// Stable identity.
    pub id: EndpointSetId,
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// The port as the backend reference writes it.
    pub port: String,
    /// Current endpoints in the order of their addresses.
    pub endpoints: ArcSwap<Vec<LiveEndpoint>>,
    /// Its Service's counters, looked up by its names at first use.
    pub series: OnceLock<Arc<BackendSeries>>,
}

impl EndpointSlot {
    /// A slot for a set, with these endpoints.
    pub fn new(set: &EndpointSet, endpoints: Vec<LiveEndpoint>) -> Self {
        Self {
            id: set.id,
            namespace: set.namespace.clone(),
            service: set.service.clone(),
            port: set.port.clone(),
            endpoints: ArcSwap::from_pointee(endpoints),
            series: OnceLock::new(),
        }
    }

    /// Whether the address is listed, in any state.
    pub fn lists(&self, address: SocketAddr) -> bool {
        listed(&self.endpoints.load(), address).is_some()
    }
}

/// The endpoint with this address; `endpoints` are in the order of their addresses.
fn listed(endpoints: &[LiveEndpoint], address: SocketAddr) -> Option<&LiveEndpoint> {
    let place = endpoints.binary_search_by_key(&address, |live| live.endpoint.address);
    place.ok().map(|place| &endpoints[place])
}

/// An endpoint with its state at this moment.
#[derive(Clone, Debug)]
pub struct LiveEndpoint {
    /// Whether it takes new work.
    pub state: EndpointState,
    /// What outlives changes of the set.
    pub endpoint: Arc<Endpoint>,
}

/// What is known of one address in one slot, for as long as the slot lists it or work is under way.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    active: AtomicU32,
    /// Whether it takes an extended CONNECT: one of [`UNKNOWN`], [`NO`] and [`YES`].
    extends_connect: AtomicU8,
}

impl Endpoint {
    /// An endpoint without work.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            active: AtomicU32::new(0),
            extends_connect: AtomicU8::new(UNKNOWN),
        }
    }

    /// Requests and sessions under way, over all workers.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether it takes an extended CONNECT (RFC 8441); `None` until that is known.
    pub fn extends_connect(&self) -> Option<bool> {
        match self.extends_connect.load(Ordering::Relaxed) {
            YES => Some(true),
            NO => Some(false),
            _ => None,
        }
    }

    /// It has shown whether it does.
    pub fn set_extends_connect(&self, yes: bool) {
        self.extends_connect
            .store(if yes { YES } else { NO }, Ordering::Relaxed);
    }
}

const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// Counts one request or session at its endpoint until it is dropped.
#[derive(Debug)]
pub struct EndpointGuard(Arc<Endpoint>);

impl EndpointGuard {
    /// Counts one more.
    pub fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.active.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(endpoint))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }
}

impl Drop for EndpointGuard {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}
