//! The kinds that are watched: how each is asked for, and what is seen of its status.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ClusterResourceScope, DeserializeGuard, NamespaceResourceScope};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::{FeedId, Starter, Starts, Work};
use crate::crd::referencegrant::ReferenceGrant;
use crate::crd::websocketroute::WebSocketRoute;
use crate::source::cluster::observed::{Observed, ObservedStatus};
use crate::world::{Kind, Object};

/// A kind that is watched.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Into<Object> + Send + 'static
{
    const KIND: Kind;
    /// Field selector; everything if absent.
    const FIELDS: Option<&'static str> = None;

    /// What is seen of its status, if we write that.
    fn observed(&self, _manager: &str) -> Option<Observed> {
        None
    }
}

impl Watched for IngressClass {
    const KIND: Kind = Kind::IngressClass;
}

impl Watched for Service {
    const KIND: Kind = Kind::Service;
}

impl Watched for EndpointSlice {
    const KIND: Kind = Kind::EndpointSlice;
}

impl Watched for ReferenceGrant {
    const KIND: Kind = Kind::ReferenceGrant;
}

impl Watched for Secret {
    const KIND: Kind = Kind::Secret;
    // Others can be large, such as those of Helm.
    const FIELDS: Option<&'static str> = Some("type=kubernetes.io/tls");
}

impl Watched for Ingress {
    const KIND: Kind = Kind::Ingress;

    fn observed(&self, manager: &str) -> Option<Observed> {
        let balancer = self
            .status
            .as_ref()
            .and_then(|status| status.load_balancer.as_ref());
        let addresses = balancer
            .and_then(|balancer| balancer.ingress.clone())
            .unwrap_or_default();
        let status = ObservedStatus::Ingress(addresses);
        Some(observed(&self.metadata, status, manager))
    }
}

impl Watched for WebSocketRoute {
    const KIND: Kind = Kind::WebSocketRoute;

    fn observed(&self, manager: &str) -> Option<Observed> {
        let status = ObservedStatus::Route(Box::new(self.status.clone().unwrap_or_default()));
        Some(observed(&self.metadata, status, manager))
    }
}

fn observed(metadata: &ObjectMeta, status: ObservedStatus, manager: &str) -> Observed {
    let mut managers = metadata.managed_fields.iter().flatten();
    Observed {
        uid: metadata.uid.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        is_ours: managers.any(|entry| entry.manager.as_deref() == Some(manager)),
        status,
    }
}

/// Watches of kinds without a namespace.
pub(in crate::source::cluster) const CLUSTER_SCOPED: &[Starts] = &[|starter, _| {
    let api: Api<DeserializeGuard<IngressClass>> = everywhere(starter);
    Some(starter.watch(api, None))
}];

/// Watches of kinds with a namespace. Routes come last, when what they refer to is on its way.
pub(in crate::source::cluster) const NAMESPACED: &[Starts] = &[
    |starter, namespace| starter.secrets.then(|| scoped::<Secret>(starter, namespace)),
    |starter, namespace| Some(scoped::<ReferenceGrant>(starter, namespace)),
    |starter, namespace| Some(scoped::<Service>(starter, namespace)),
    |starter, namespace| Some(scoped::<EndpointSlice>(starter, namespace)),
    |starter, namespace| Some(scoped::<WebSocketRoute>(starter, namespace)),
    |starter, namespace| Some(scoped::<Ingress>(starter, namespace)),
];

fn scoped<K>(starter: &mut Starter, namespace: Option<&str>) -> (FeedId, Kind, Work)
where
    K: Watched + Resource<Scope = NamespaceResourceScope>,
{
    let client = starter.client.clone();
    let api: Api<DeserializeGuard<K>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    starter.watch(api, namespace)
}

fn everywhere<K>(starter: &Starter) -> Api<DeserializeGuard<K>>
where
    K: Watched + Resource<Scope = ClusterResourceScope>,
{
    Api::all(starter.client.clone())
}
