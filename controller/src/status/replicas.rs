//! Which replicas live, and which routes each of them serves.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::Identity;
use super::announce::{REPLICA, REPLICA_OF, SERVES};
use super::serving::Serving;
use crate::compile::serving::Buckets;
use crate::moment::until;
use crate::source::cluster::watching;

/// Time that one watch lasts, in seconds.
const WATCH_SECONDS: u32 = 90;
const PAUSE: Duration = Duration::from_secs(2);
/// Lease durations after which the Lease of a replica that is gone is removed.
const FORGET_AFTER: u32 = 20;

/// What the living replicas serve, by name. A replica that never served anything takes no part: no request
/// reaches it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Replicas {
    /// Routes by replica.
    pub(super) serve: BTreeMap<String, Arc<Buckets>>,
    /// False until the Leases were listed once.
    pub(super) are_known: bool,
}

/// One replica's Lease as it was seen.
#[derive(Debug)]
struct Seen {
    replica: String,
    serves: Option<Arc<Buckets>>,
    at: Instant,
    renewed: Option<k8s_openapi::jiff::Timestamp>,
}

/// Keeps `out` up to date. This replica counts by what it knows of itself.
pub(super) async fn follow(
    leases: Api<Lease>,
    identity: &Identity,
    mut serving: watch::Receiver<Serving>,
    out: watch::Sender<Replicas>,
) {
    let config = watcher::Config::default()
        .labels(&format!("{REPLICA_OF}={}", identity.lease))
        .timeout(WATCH_SECONDS);
    let mut events = pin!(watching::follow(leases.clone(), config));
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut listed = Vec::new();
    let mut known = false;
    let mut said = false;
    loop {
        let next = seen
            .values()
            .map(|lease| lease.at + identity.duration)
            .filter(|at| *at > Instant::now())
            .min();
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(lease)) => {
                    listed.push(lease.name_any());
                    note(&mut seen, &lease);
                }
                Ok(Event::InitDone) => {
                    seen.retain(|name, _| listed.contains(name));
                    known = true;
                }
                Ok(Event::Apply(lease)) => {
                    said = false;
                    note(&mut seen, &lease);
                }
                Ok(Event::Delete(lease)) => drop(seen.remove(&lease.name_any())),
                Err(error) => {
                    if !said {
                        warn!(%error, "can't see the other replicas; their statuses wait");
                        said = true;
                    }
                    sleep(PAUSE).await;
                }
            },
            changed = serving.changed() => if changed.is_err() { return },
            () = until(next) => {}
        }
        let own = serving.borrow_and_update().clone();
        let now = Replicas {
            serve: living(&seen, identity, own),
            are_known: known,
        };
        out.send_if_modified(|replicas| {
            let is_news = *replicas != now;
            *replicas = now;
            is_news
        });
        remove_the_gone(&leases, &mut seen, identity.duration * FORGET_AFTER).await;
    }
}

fn note(seen: &mut BTreeMap<String, Seen>, lease: &Lease) {
    let annotations = lease.annotations();
    let Some(replica) = annotations.get(REPLICA) else {
        return;
    };
    let renewed = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.renew_time.as_ref())
        .map(|time| time.0);
    let serves = annotations
        .get(SERVES)
        .and_then(|text| Buckets::decode(text))
        .map(Arc::new);
    let known = seen.get(&lease.name_any());
    // Clocks differ: a replica lives as long as its Lease keeps changing before our eyes.
    let at = known
        .filter(|known| known.renewed == renewed)
        .map_or_else(Instant::now, |known| known.at);
    let now = Seen {
        replica: replica.clone(),
        serves,
        at,
        renewed,
    };
    seen.insert(lease.name_any(), now);
}

fn living(
    seen: &BTreeMap<String, Seen>,
    identity: &Identity,
    own: Serving,
) -> BTreeMap<String, Arc<Buckets>> {
    let now = Instant::now();
    let living = seen
        .values()
        .filter(|lease| lease.at + identity.duration > now && lease.replica != identity.pod);
    let mut serve: BTreeMap<String, Arc<Buckets>> = living
        .filter_map(|lease| Some((lease.replica.clone(), lease.serves.clone()?)))
        .collect();
    serve.extend(own.map(|own| (identity.pod.clone(), own)));
    serve
}

async fn remove_the_gone(leases: &Api<Lease>, seen: &mut BTreeMap<String, Seen>, after: Duration) {
    let gone = seen.iter().find(|(_, lease)| lease.at + after < Instant::now());
    let Some(name) = gone.map(|(name, _)| name.clone()) else {
        return;
    };
    seen.remove(&name);
    if let Err(error) = leases.delete(&name, &DeleteParams::default()).await {
        debug!(%name, %error, "can't remove the Lease of a replica that is gone");
    }
}
