//! Says in a Lease of this replica's own that it lives and which routes it serves.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::Identity;
use super::serving::Serving;
use crate::source::cluster::observed::field_manager;

/// The label that names the common Lease.
pub(super) const REPLICA_OF: &str = "holdfast.dev/replica-of";
/// The annotation that holds the routes served, as `compile::serving` writes them.
pub(super) const SERVES: &str = "holdfast.dev/serves";
/// The annotation that names the replica.
pub(super) const REPLICA: &str = "holdfast.dev/replica";
/// Least time between two announcements.
const PAUSE: Duration = Duration::from_millis(300);
/// Signs of life in one lease duration.
const SIGNS: u32 = 3;

/// Announces what `serving` says, and every few seconds that this replica lives.
pub(super) async fn announce(
    leases: &Api<Lease>,
    identity: &Identity,
    mut serving: watch::Receiver<Serving>,
) {
    let name = name(identity);
    // After a restart of this controller alone, the data plane still serves what was said before.
    let mut said = former(leases, &name, identity.duration).await;
    let mut trouble = false;
    loop {
        let now = serving
            .borrow_and_update()
            .as_ref()
            .map(|buckets| buckets.encode());
        said = now.or(said);
        let lease = lease(identity, &name, said.as_deref());
        let params = PatchParams::apply(field_manager(&identity.controller)).force();
        let patch = Patch::Apply(&lease);
        let written = timeout(identity.duration / SIGNS, leases.patch(&name, &params, &patch)).await;
        match written {
            Ok(Ok(_)) => trouble = false,
            Ok(Err(error)) if !trouble => {
                warn!(lease = %name, %error, "can't announce what is served; other replicas' statuses may wait for this one");
                trouble = true;
            }
            Ok(Err(_)) | Err(_) => debug!(lease = %name, "can't announce what is served"),
        }
        let next = Instant::now()
            + if trouble {
                PAUSE * 5
            } else {
                identity.duration / SIGNS
            };
        let earliest = Instant::now() + PAUSE;
        tokio::select! {
            () = sleep_until(next) => {}
            changed = serving.changed() => match changed {
                Ok(()) => sleep_until(earliest).await,
                Err(_) => return,
            },
        }
    }
}

/// Removes the announcement.
pub(super) async fn withdraw(leases: &Api<Lease>, identity: &Identity) {
    if let Err(error) = leases.delete(&name(identity), &DeleteParams::default()).await {
        debug!(%error, "can't remove this replica's Lease; it runs out");
    }
}

fn name(identity: &Identity) -> String {
    format!("{}-replica-{}", identity.lease, identity.pod)
}

async fn former(leases: &Api<Lease>, name: &str, patience: Duration) -> Option<String> {
    let lease = timeout(patience, leases.get_opt(name)).await.ok()?.ok()??;
    lease.metadata.annotations?.remove(SERVES)
}

fn lease(identity: &Identity, name: &str, serves: Option<&str>) -> Lease {
    let mut annotations = BTreeMap::from([(REPLICA.to_owned(), identity.pod.clone())]);
    if let Some(serves) = serves {
        annotations.insert(SERVES.to_owned(), serves.to_owned());
    }
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(REPLICA_OF.to_owned(), identity.lease.clone())])),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(identity.pod.clone()),
            lease_duration_seconds: i32::try_from(identity.duration.as_secs()).ok(),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        }),
    }
}
