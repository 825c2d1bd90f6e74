//! What the cluster, or the folder of manifests, holds at one moment.
//!
//! Owns the compact form of the objects that `compile` reads: frozen, sorted maps of only what it
//! needs, objects behind `Arc`. Never watches, parses or judges anything.

mod reduce;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::IngressSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use routetable::EndpointState;

use crate::crd::websocketroute::WebSocketRouteSpec;

/// The kinds of object that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// networking.k8s.io/v1
    Ingress,
    /// networking.k8s.io/v1, cluster-scoped
    IngressClass,
    /// v1
    Service,
    /// discovery.k8s.io/v1
    EndpointSlice,
    /// v1
    Secret,
    /// holdfast.dev/v1alpha1
    WebSocketRoute,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ingress,
        Self::IngressClass,
        Self::Service,
        Self::EndpointSlice,
        Self::Secret,
        Self::WebSocketRoute,
    ];

    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::IngressClass => "IngressClass",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Secret => "Secret",
            Self::WebSocketRoute => "WebSocketRoute",
        }
    }

    /// The `apiVersion` that is read.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Ingress | Self::IngressClass => "networking.k8s.io/v1",
            Self::Service | Self::Secret => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::WebSocketRoute => crate::crd::API_VERSION,
        }
    }

    /// False for kinds that have no namespace.
    pub fn is_namespaced(self) -> bool {
        self != Self::IngressClass
    }
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        match namespace.as_str() {
            "" => write!(f, "{} {name}", kind.as_str()),
            _ => write!(f, "{} {namespace}/{name}", kind.as_str()),
        }
    }
}

/// Namespace and name, for maps of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Name {
    /// A name in a namespace.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// One object in its compact form.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// See [`Ingress`].
    Ingress(Arc<Ingress>),
    /// See [`IngressClass`].
    IngressClass(Arc<IngressClass>),
    /// See [`Service`].
    Service(Arc<Service>),
    /// See [`EndpointSlice`].
    EndpointSlice(Arc<EndpointSlice>),
    /// See [`Secret`].
    Secret(Arc<Secret>),
    /// See [`WebSocketRoute`].
    WebSocketRoute(Arc<WebSocketRoute>),
}

/// An Ingress.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    /// creationTimestamp in Unix seconds; 0 if absent.
    pub created: i64,
    /// The annotations that concern routing: the class, and the settings of ingress controllers.
    pub annotations: BTreeMap<String, String>,
    /// The spec as written.
    pub spec: IngressSpec,
}

/// A WebSocketRoute.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocketRoute {
    /// creationTimestamp in Unix seconds; 0 if absent.
    pub created: i64,
    /// The spec as written.
    pub spec: WebSocketRouteSpec,
}

/// An IngressClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressClass {
    /// creationTimestamp in Unix seconds; 0 if absent.
    pub created: i64,
    /// The controller that serves the class.
    pub controller: String,
    /// Serves objects that name no class.
    pub is_default: bool,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `type: ExternalName`: a DNS alias without endpoints.
    pub is_external_name: bool,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Name; empty for the only port of a Service.
    pub name: String,
    /// Number.
    pub number: i32,
    /// Where it leads; for messages only, EndpointSlices hold the resolved number.
    pub target: Option<IntOrString>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// An EndpointSlice of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// The Service in the same namespace, from the label `kubernetes.io/service-name`; empty if
    /// the slice belongs to none.
    pub service: String,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// TCP port numbers by the name of the Service's port.
    pub ports: BTreeMap<String, u16>,
    /// Addresses with their state, in the order written.
    pub endpoints: Vec<(IpAddr, EndpointState)>,
    /// What could not be read, as (field, value).
    pub invalid: Vec<(String, String)>,
}

/// A Secret, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its type, such as `kubernetes.io/tls`.
    pub kind: String,
    /// Keys that hold a value.
    pub keys: BTreeSet<String>,
}

/// Every object, by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Ingresses.
    pub ingresses: BTreeMap<Name, Arc<Ingress>>,
    /// IngressClasses.
    pub classes: BTreeMap<String, Arc<IngressClass>>,
    /// Services.
    pub services: BTreeMap<Name, Arc<Service>>,
    /// EndpointSlices by the Service they belong to, then by their own name.
    pub slices: BTreeMap<Name, BTreeMap<String, Arc<EndpointSlice>>>,
    /// Secrets.
    pub secrets: BTreeMap<Name, Arc<Secret>>,
    /// WebSocketRoutes.
    pub routes: BTreeMap<Name, Arc<WebSocketRoute>>,
}

impl World {
    /// Starts an empty world.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Collects objects into a [`World`].
#[derive(Debug, Default)]
pub struct Builder {
    world: World,
}

impl Builder {
    /// Adds an object, or replaces the one of its name.
    #[must_use]
    pub fn with(mut self, key: &ObjectKey, object: &Object) -> Self {
        let name = Name::new(&key.namespace, &key.name);
        let world = &mut self.world;
        match object {
            Object::Ingress(o) => drop(world.ingresses.insert(name, Arc::clone(o))),
            Object::IngressClass(o) => drop(world.classes.insert(name.name, Arc::clone(o))),
            Object::Service(o) => drop(world.services.insert(name, Arc::clone(o))),
            Object::Secret(o) => drop(world.secrets.insert(name, Arc::clone(o))),
            Object::WebSocketRoute(o) => drop(world.routes.insert(name, Arc::clone(o))),
            Object::EndpointSlice(o) => {
                let service = Name::new(&key.namespace, &o.service);
                world
                    .slices
                    .entry(service)
                    .or_default()
                    .insert(name.name, Arc::clone(o));
            }
        }
        self
    }

    /// Freezes the world.
    pub fn build(self) -> World {
        self.world
    }
}
