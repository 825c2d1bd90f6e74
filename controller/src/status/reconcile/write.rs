//! One status into the cluster, by server-side apply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::networking::v1::{Ingress, IngressLoadBalancerIngress};
use kube::api::PatchParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::crd::status::WebSocketRouteStatus;
use crate::crd::websocketroute::WebSocketRoute;
use crate::source::cluster::observed::field_manager;
use crate::world::ObjectKey;

/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to write.
#[derive(Clone, Debug)]
pub(super) enum Patch {
    /// The addresses of an Ingress; none removes them.
    Ingress(Vec<IngressLoadBalancerIngress>),
    /// The status of a WebSocketRoute.
    Route(Box<WebSocketRouteStatus>),
    /// A WebSocketRoute of which nothing is ours any more.
    NoRoute,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It stands.
    Written,
    /// The object is gone.
    Gone,
    /// To be tried again.
    Failed,
}

impl Outcome {
    /// As a metric label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }
}

/// Writes statuses.
#[derive(Clone)]
pub(super) struct Writer {
    client: Client,
    manager: Arc<str>,
    /// A failure was said; the next is only said after a success.
    said: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn new(client: Client, controller: &str) -> Self {
        Self {
            client,
            manager: Arc::from(field_manager(controller)),
            said: Arc::default(),
        }
    }

    /// Writes one status.
    pub(super) async fn write(&self, key: &ObjectKey, patch: &Patch) -> Outcome {
        let status = match patch {
            Patch::Ingress(addresses) if addresses.is_empty() => json!({}),
            Patch::Ingress(addresses) => json!({"loadBalancer": {"ingress": addresses}}),
            Patch::Route(status) => json!(status),
            Patch::NoRoute => json!({}),
        };
        let body = json!({
            "apiVersion": key.kind.api_version(),
            "kind": key.kind.as_str(),
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": status,
        });
        let written = match patch {
            Patch::Ingress(_) => timeout(PATIENCE, self.apply::<Ingress>(key, &body)).await,
            Patch::Route(_) | Patch::NoRoute => {
                timeout(PATIENCE, self.apply::<WebSocketRoute>(key, &body)).await
            }
        };
        let error = match written {
            Ok(Ok(())) => {
                self.said.store(false, Ordering::Relaxed);
                return Outcome::Written;
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Outcome::Gone,
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => format!(
                "grant the service account the verb 'patch' on the subresource 'status' ({})",
                status.message
            ),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if self.said.swap(true, Ordering::Relaxed) {
            debug!("cannot write the status of {key}: {error}");
        } else {
            warn!("cannot write the status of {key}: {error}");
        }
        Outcome::Failed
    }

    async fn apply<K>(&self, key: &ObjectKey, body: &Value) -> Result<(), kube::Error>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = PatchParams::apply(&self.manager).force();
        api.patch_status(&key.name, &params, &kube::api::Patch::Apply(body))
            .await
            .map(drop)
    }
}
