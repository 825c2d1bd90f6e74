//! Takes back every status that was written: for the day when the product is removed.

use anyhow::Context;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::info;

use crate::crd::websocketroute::WebSocketRoute;
use crate::source::cluster::observed::field_manager;

/// Objects of one page of a list.
const PAGE: u32 = 500;

/// Removes what the controller of this name owns of the statuses of Ingresses and WebSocketRoutes, in a namespace
/// or in all; yields how many there were.
///
/// # Errors
/// The API server refuses, or is not there.
pub async fn clear(client: &Client, controller: &str, namespace: Option<&str>) -> anyhow::Result<usize> {
    let manager = field_manager(controller);
    let ingresses = clear_kind::<Ingress>(client, manager, namespace)
        .await
        .context("clearing the statuses of Ingresses")?;
    let routes = clear_kind::<WebSocketRoute>(client, manager, namespace).await;
    let routes = match routes {
        // Without the definition there are none.
        Err(kube::Error::Api(status)) if status.code == 404 => 0,
        routes => routes.context("clearing the statuses of WebSocketRoutes")?,
    };
    Ok(ingresses + routes)
}

async fn clear_kind<K>(client: &Client, manager: &str, namespace: Option<&str>) -> Result<usize, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let all: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let mut params = ListParams::default().limit(PAGE);
    let mut cleared = 0;
    loop {
        let page = all.list_metadata(&params).await?;
        for object in page.items.iter().filter(|object| is_owned(object, manager)) {
            let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
            let api: Api<K> = Api::namespaced(client.clone(), &namespace);
            let body = json!({
                "apiVersion": K::api_version(&()),
                "kind": K::kind(&()),
                "metadata": {"name": name, "namespace": namespace},
                "status": {},
            });
            let patched = api
                .patch_status(&name, &PatchParams::apply(manager).force(), &Patch::Apply(body))
                .await;
            match patched {
                Ok(_) => {
                    info!("cleared the status of {} {namespace}/{name}", K::kind(&()));
                    cleared += 1;
                }
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            return Ok(cleared);
        }
    }
}

fn is_owned<K>(object: &PartialObjectMeta<K>, manager: &str) -> bool {
    let mut managers = object.metadata.managed_fields.iter().flatten();
    managers.any(|entry| {
        entry.manager.as_deref() == Some(manager) && entry.subresource.as_deref() == Some("status")
    })
}
