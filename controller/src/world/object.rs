//! Objects in their compact form: only what `compile` reads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::IngressSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use routetable::EndpointState;

use super::Kind;
use super::config_map::ConfigMap;
use super::secret::Secret;
use crate::crd::websocketroute::WebSocketRouteSpec;

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
    /// See [`ConfigMap`].
    ConfigMap(Arc<ConfigMap>),
    /// See [`WebSocketRoute`].
    WebSocketRoute(Arc<WebSocketRoute>),
    /// See [`ReferenceGrant`].
    ReferenceGrant(Arc<ReferenceGrant>),
}

impl Object {
    /// The object as it is kept in the place of what stood there `before`: a Secret or a ConfigMap
    /// keeps what its new content breaks.
    #[must_use]
    pub(crate) fn after(&self, before: Option<&Self>) -> Self {
        match (self, before) {
            (Self::Secret(secret), Some(Self::Secret(before))) if !Arc::ptr_eq(secret, before) => {
                Self::Secret(unless_equal(secret.after(before), before))
            }
            (Self::ConfigMap(map), Some(Self::ConfigMap(before))) if !Arc::ptr_eq(map, before) => {
                Self::ConfigMap(unless_equal(map.after(before), before))
            }
            _ => self.clone(),
        }
    }
}

fn unless_equal<T: PartialEq>(now: T, before: &Arc<T>) -> Arc<T> {
    match now == **before {
        true => Arc::clone(before),
        false => Arc::new(now),
    }
}

/// An Ingress.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    /// creationTimestamp in Unix seconds; 0 if absent.
    pub created: i64,
    /// metadata.generation, which the API server raises with every change of the spec; 0 if absent.
    pub generation: i64,
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
    /// metadata.generation, which the API server raises with every change of the spec; 0 if absent.
    pub generation: i64,
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
    /// `type: ExternalName`: the host it is an alias of; it has no EndpointSlices.
    pub external_name: Option<String>,
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
    /// What is spoken there, such as `kubernetes.io/ws`.
    pub app_protocol: Option<String>,
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

/// A ReferenceGrant (Gateway API): who may refer to Services of its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceGrant {
    /// Kinds, with the namespaces from which they may refer.
    pub from: BTreeSet<(Kind, String)>,
    /// The Services they may refer to.
    pub to: GrantedServices,
}

/// The Services that a [`ReferenceGrant`] opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedServices {
    /// Every one of the namespace.
    All,
    /// Those of these names.
    Named(BTreeSet<String>),
}

impl ReferenceGrant {
    /// True when it lets an object of this kind and namespace refer to `service`.
    pub fn permits(&self, kind: Kind, namespace: &str, service: &str) -> bool {
        let from = |(k, n): &(Kind, String)| *k == kind && n == namespace;
        let to = match &self.to {
            GrantedServices::All => true,
            GrantedServices::Named(names) => names.contains(service),
        };
        to && self.from.iter().any(from)
    }
}
