//! Chooses, among the replicas, the one that writes.
//!
//! By a Lease (coordination.k8s.io/v1): whoever holds it renews it; who sees it unchanged for long enough
//! takes it. Each change names the version it changes, so that of two only one succeeds. Only the time
//! since a change was seen counts, never the clock of another machine. The holder stops before anyone else
//! may start.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::Identity;
use crate::metrics::Metrics;

/// The holder writes for this share of the duration after its last renewal, in tenths.
const HOLDS: u32 = 6;
/// Others take an unchanged Lease after this share, in tenths.
const TAKEN: u32 = 8;
/// Looks in one duration.
const LOOKS: u32 = 10;

/// Until when this replica may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    until: Option<Instant>,
}

impl Leadership {
    /// True while this replica may write.
    pub fn holds(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }
}

/// The Lease as it was last seen to change.
#[derive(Debug)]
struct Seen {
    version: Option<String>,
    at: Instant,
}

/// Tries to lead for as long as it is polled.
pub(super) async fn campaign(
    leases: &Api<Lease>,
    identity: &Identity,
    out: watch::Sender<Leadership>,
    metrics: &Metrics,
) {
    let mut seen: Option<Seen> = None;
    let mut led = false;
    let mut trouble = false;
    loop {
        let asked = Instant::now();
        let attempt = timeout(
            identity.duration / LOOKS * 2,
            attempt(leases, identity, &mut seen),
        )
        .await;
        match attempt {
            Ok(Ok(true)) => {
                trouble = false;
                out.send_replace(Leadership {
                    until: Some(asked + identity.duration / 10 * HOLDS),
                });
            }
            Ok(Ok(false)) => {
                trouble = false;
                out.send_replace(Leadership::default());
            }
            Ok(Err(error)) if !trouble => {
                warn!(lease = %identity.lease, %error, "can't renew or take the Lease; statuses are not written meanwhile");
                trouble = true;
            }
            Ok(Err(_)) | Err(_) => debug!(lease = %identity.lease, "can't renew or take the Lease"),
        }
        let leads = out.borrow().holds();
        if leads != led {
            led = leads;
            metrics.leads(leads);
            if leads {
                info!(lease = %identity.lease, "this replica writes statuses now");
            } else {
                out.send_replace(Leadership::default());
                info!(lease = %identity.lease, "this replica no longer writes statuses");
            }
        }
        sleep(identity.duration / LOOKS).await;
    }
}

/// Gives the Lease up, so that nobody has to wait.
pub(super) async fn give_up(leases: &Api<Lease>, identity: &Identity) {
    let Ok(Some(mut lease)) = leases.get_opt(&identity.lease).await else {
        return;
    };
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_ref() != Some(&identity.pod) {
        return;
    }
    spec.holder_identity = None;
    spec.renew_time = Some(now());
    if let Err(error) = leases
        .replace(&identity.lease, &PostParams::default(), &lease)
        .await
    {
        debug!(%error, "can't give up the Lease; it runs out");
    }
}

/// True when this replica holds the Lease.
async fn attempt(
    leases: &Api<Lease>,
    identity: &Identity,
    seen: &mut Option<Seen>,
) -> Result<bool, kube::Error> {
    let Some(lease) = leases.get_opt(&identity.lease).await? else {
        let created = leases.create(&PostParams::default(), &fresh(identity)).await;
        return conflict_is_no(created);
    };
    let version = lease.metadata.resource_version.clone();
    if seen.as_ref().is_none_or(|known| known.version != version) {
        *seen = Some(Seen {
            version,
            at: Instant::now(),
        });
    }
    let holder = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.holder_identity.clone())
        .unwrap_or_default();
    let unchanged = seen.as_ref().map(|known| known.at.elapsed()).unwrap_or_default();
    let is_ours = holder == identity.pod;
    if !is_ours && !holder.is_empty() && unchanged < patience(&lease, identity) {
        return Ok(false);
    }
    let mut next = lease;
    let spec = next.spec.get_or_insert_default();
    if !is_ours {
        spec.holder_identity = Some(identity.pod.clone());
        spec.acquire_time = Some(now());
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
    }
    spec.lease_duration_seconds = seconds(identity.duration);
    spec.renew_time = Some(now());
    conflict_is_no(
        leases
            .replace(&identity.lease, &PostParams::default(), &next)
            .await,
    )
}

/// Time without a change after which the Lease is anyone's: as its holder wrote it.
fn patience(lease: &Lease, identity: &Identity) -> Duration {
    let written = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    let written = written
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map(Duration::from_secs);
    written.unwrap_or(identity.duration) / 10 * TAKEN
}

fn fresh(identity: &Identity) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(identity.lease.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(identity.pod.clone()),
            lease_duration_seconds: seconds(identity.duration),
            acquire_time: Some(now()),
            renew_time: Some(now()),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        }),
    }
}

/// Another replica was faster.
fn conflict_is_no(written: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn seconds(duration: Duration) -> Option<i32> {
    i32::try_from(duration.as_secs()).ok()
}

fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}
