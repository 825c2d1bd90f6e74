//! The route table: which requests go to which endpoints, under which policy.

mod tls;

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{CertificateId, EndpointSetId, RouteId, ServerNameId};
use crate::policy::Timeouts;
use crate::shared_map::SharedMap;

pub use self::tls::{
    BackendProtocol, BackendTls, Certificate, ClientValidation, InsecurePolicy, PrivateKey, ProxyVersion,
    RouteTls, ServerName, TlsVersion, Verify,
};

/// Everything the data plane serves, at one version.
///
/// A copy costs little, and a new version shares with the last what did not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// Routes by id.
    pub routes: SharedMap<RouteId, Route>,
    /// Endpoint sets by id. Every set a route refers to is present, if empty.
    pub endpoint_sets: SharedMap<EndpointSetId, EndpointSet>,
    /// Certificates by id. Every certificate that something refers to is present.
    pub certificates: SharedMap<CertificateId, Certificate>,
    /// How TLS is spoken, by the name that is asked for.
    pub server_names: SharedMap<ServerNameId, ServerName>,
}

impl RouteTable {
    /// True when the table serves nothing at all.
    pub fn is_empty(&self) -> bool {
        let Self {
            routes,
            endpoint_sets,
            certificates,
            server_names,
        } = self;
        routes.is_empty() && endpoint_sets.is_empty() && certificates.is_empty() && server_names.is_empty()
    }
}

/// One rule of one Ingress or WebSocketRoute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Stable identity.
    pub id: RouteId,
    /// The object this rule comes from.
    pub source: ObjectRef,
    /// The rule's name for logs, metrics and people: its `name`, or its position as `rule-0`.
    pub rule: String,
    /// creationTimestamp of the object in Unix seconds; between equals the older wins.
    pub created: i64,
    /// Position of the rule in its object; between equals of one object the earlier wins.
    pub order: u32,
    /// Serves only what no other route matches (an Ingress `defaultBackend`).
    pub fallback: bool,
    /// Virtual hosts; never empty.
    pub hosts: Vec<HostPattern>,
    /// Alternatives, any of which suffices; never empty.
    pub matches: Vec<RouteMatch>,
    /// Where matching requests go, split by weight. Empty means 503 NoReadyEndpoints.
    pub backends: Vec<WeightedBackend>,
    /// Time limits.
    pub timeouts: Timeouts,
    /// How it wants to be reached.
    pub tls: RouteTls,
}

/// A Kubernetes object that owns routes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// The kinds of object that own routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectKind {
    /// networking.k8s.io/v1 Ingress.
    Ingress,
    /// holdfast.dev/v1alpha1 WebSocketRoute.
    WebSocketRoute,
}

impl ObjectKind {
    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::WebSocketRoute => "WebSocketRoute",
        }
    }
}

/// A virtual host, in lower case and without port or trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HostPattern {
    /// Any host, or none that another pattern names.
    Any,
    /// `*.example.com`, held as `example.com`: exactly one label before the suffix.
    Wildcard(String),
    /// `chat.example.com`.
    Exact(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Exact(host) => f.write_str(host),
        }
    }
}

/// Conditions on a request, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteMatch {
    /// Condition on the path.
    pub path: PathMatch,
    /// Conditions on header fields; names in lower case.
    pub headers: Vec<ValueMatch>,
    /// Conditions on query parameters; the first occurrence of a name counts.
    pub query_params: Vec<ValueMatch>,
    /// Conditions on cookies; the first occurrence of a name counts.
    pub cookies: Vec<ValueMatch>,
    /// The client must offer one of these in `Sec-WebSocket-Protocol`; empty asks for none.
    pub subprotocols: Vec<String>,
}

impl RouteMatch {
    /// A match on the path alone.
    pub fn path(path: PathMatch) -> Self {
        Self {
            path,
            headers: vec![],
            query_params: vec![],
            cookies: vec![],
            subprotocols: vec![],
        }
    }
}

/// A condition on the request's path (without the query). Plain paths are held in
/// [normal form](crate::matching::path::normalize), which is what requests are compared in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PathMatch {
    /// The whole path, case counts.
    Exact(String),
    /// By whole elements: `/foo` takes `/foo`, `/foo/` and `/foo/bar`, not `/foobar`. Held without
    /// a trailing slash; `/` is held as the empty string.
    Prefix(String),
    /// A regular expression (`regex` crate syntax) that must match the whole path.
    Regex(String),
}

/// A condition on a named value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ValueMatch {
    /// Name of the header, parameter or cookie.
    pub name: String,
    /// What its value must be.
    pub value: ValuePattern,
}

/// What a value must look like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ValuePattern {
    /// Equal, byte for byte.
    Exact(String),
    /// A regular expression that must match the whole value.
    Regex(String),
}

/// One share of a route's traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedBackend {
    /// The endpoints.
    pub endpoint_set: EndpointSetId,
    /// Share of new requests and sessions, relative to its siblings; 0 takes none.
    pub weight: u32,
    /// How they are spoken to.
    pub protocol: BackendProtocol,
}

/// The endpoints behind one port of one Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSet {
    /// Stable identity.
    pub id: EndpointSetId,
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// The port as the backend reference writes it.
    pub port: String,
    /// Endpoints in the order of their addresses, each address once.
    pub endpoints: Vec<Endpoint>,
}

/// One address that serves a Service's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it takes new sessions.
    pub state: EndpointState,
}

/// An endpoint's conditions (EndpointSlice `ready`, `serving`, `terminating`) as they matter here.
/// Sessions that stand keep standing in every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EndpointState {
    /// Takes new sessions.
    Ready,
    /// Terminating but still serving: takes new sessions only if nothing in its set is ready.
    Draining,
    /// Takes no new sessions.
    NotReady,
}
