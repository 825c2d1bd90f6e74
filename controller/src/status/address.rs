//! The addresses under which clients reach the data planes, for `status.loadBalancer`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::source::cluster::watching;

/// Time that one watch lasts, in seconds.
const WATCH_SECONDS: u32 = 90;
const PAUSE: Duration = Duration::from_secs(2);

/// Where the addresses come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Nowhere: none are written.
    Nothing,
    /// They are given.
    Given(Vec<String>),
    /// From a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// IP addresses or DNS names; `None` before they are known.
pub(super) type Addresses = Option<BTreeSet<String>>;

/// Keeps `out` up to date.
pub(super) async fn follow(client: Client, publish: Publish, out: watch::Sender<Addresses>) {
    match publish {
        Publish::Nothing => drop(out.send_replace(Some(BTreeSet::new()))),
        Publish::Given(given) => drop(out.send_replace(Some(given.into_iter().collect()))),
        Publish::Service { namespace, name } => {
            follow_service(Api::namespaced(client, &namespace), &name, &out).await;
        }
    }
    // Nothing changes any more.
    out.closed().await;
}

async fn follow_service(services: Api<Service>, name: &str, out: &watch::Sender<Addresses>) {
    let config = watcher::Config::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS);
    let mut events = pin!(watching::follow(services, config));
    let mut said = false;
    let mut found = None;
    while let Some(event) = events.next().await {
        let addresses = match event {
            Ok(Event::Init) => {
                found = None;
                continue;
            }
            Ok(Event::InitApply(service)) => {
                found = Some(of_service(&service));
                continue;
            }
            Ok(Event::InitDone) => {
                if found.is_none() {
                    warn!(service = %name, "the Service to publish does not exist; statuses carry no addresses");
                }
                found.take().unwrap_or_default()
            }
            Ok(Event::Apply(service)) => of_service(&service),
            Ok(Event::Delete(_)) => BTreeSet::new(),
            Err(error) => {
                if !said {
                    warn!(service = %name, %error, "can't read the Service to publish; statuses keep the addresses they have");
                    said = true;
                }
                sleep(PAUSE).await;
                continue;
            }
        };
        said = false;
        out.send_if_modified(|known| {
            let is_news = known.as_ref() != Some(&addresses);
            if is_news {
                info!(?addresses, "the addresses to publish");
            }
            *known = Some(addresses);
            is_news
        });
    }
}

/// A load balancer's addresses, else those that the Service has by itself.
fn of_service(service: &Service) -> BTreeSet<String> {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    let balancer = status
        .and_then(|status| status.ingress.as_deref())
        .unwrap_or_default();
    let mut addresses: BTreeSet<String> = balancer
        .iter()
        .filter_map(|entry| entry.hostname.clone().or_else(|| entry.ip.clone()))
        .collect();
    let Some(spec) = &service.spec else {
        return addresses;
    };
    addresses.extend(spec.external_ips.iter().flatten().cloned());
    if addresses.is_empty() && spec.type_.as_deref() != Some("LoadBalancer") {
        let own = spec
            .cluster_ips
            .iter()
            .flatten()
            .filter(|ip| ip.parse::<IpAddr>().is_ok());
        addresses.extend(own.cloned());
    }
    addresses
}
